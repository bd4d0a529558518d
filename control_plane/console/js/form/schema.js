// What `/openapi.json` says a job type takes, as a list of fields.
import { useAsked } from "../asked.js";

export function useSchema(type) {
  const { data: description, error, again } = useAsked("/openapi.json");
  return { fields: description && fieldsOf(description, type), error, again };
}

/** `{name, kind, required, hint, fallback, options, least, most, longest, whole, pattern, parts}` each. */
export function fieldsOf(description, type) {
  const schemas = description.components.schemas;
  const job = Object.values(schemas).find((schema) => schema.properties?.type?.const === type && schema.properties.params);
  return listed(schemas, resolved(schemas, job.properties.params));
}

function listed(schemas, model) {
  const required = new Set(model.required ?? []);
  return Object.entries(model.properties).map(([name, given]) => {
    const schema = resolved(schemas, given);
    return {
      name, required: required.has(name), fallback: schema.default ?? null, hint: schema.description ?? "",
      options: schema.enum ?? null, kind: kindOf(name, schema), pattern: schema.pattern ?? null,
      least: schema.minimum ?? schema.exclusiveMinimum ?? null, most: schema.maximum ?? schema.exclusiveMaximum ?? null,
      longest: schema.maxLength ?? null, fewest: schema.minItems ?? 0, whole: schema.type === "integer",
      parts: kindOf(name, schema) === "group" ? listed(schemas, schema) : null,
    };
  });
}

function resolved(schemas, schema) {
  const target = schema.$ref ? { ...schemas[schema.$ref.split("/").pop()], ...schema } : schema;
  const choices = target.anyOf?.filter((choice) => choice.type !== "null");
  return choices?.length === 1 ? { ...resolved(schemas, choices[0]), ...target } : target;
}

const KINDS = { image: "image", video: "video", audio: "audio" };

function kindOf(name, schema) {
  if (schema.type === "array" && /images?$/.test(name)) return "images";
  if (/_url$/.test(name)) return KINDS[name.split("_").find((part) => KINDS[part])] ?? "media";
  if (name === "model" || name === "lora" || name === "seed") return name;
  if (schema.enum) return "choice";
  if (schema.format === "date") return "date";
  if (schema.properties && Object.values(schema.properties).every((part) => part.type && part.type !== "object")) return "group";
  if (schema.type === "boolean") return "switch";
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type === "string") return schema.maxLength >= 1000 ? "text" : "line";
  return "json";
}
