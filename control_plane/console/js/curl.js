// A job as the command that would submit it again.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curlOf(job) {
  const body = { type: job.type, params: job.params };
  if (job.priority) body.priority = job.priority;
  if (Object.keys(job.labels ?? {}).length) body.labels = job.labels;
  if (job.max_cost_usd !== null && job.max_cost_usd !== undefined) body.max_cost_usd = job.max_cost_usd;
  return [
    `curl -X POST ${quoted(`${location.origin}/jobs`)}`,
    `-H 'Content-Type: application/json'`,
    `-H "Authorization: Bearer $RUSHES_API_KEY"`,
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(" \\\n  ");
}
