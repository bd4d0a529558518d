import { createClient, createConfig, getBudget, listModels } from "@rushes/client/api";

const client = createClient(
  createConfig({ baseUrl: "http://127.0.0.1:8000", auth: process.env.RUSHES_API_KEY }),
);

const { data: models, error } = await listModels({ client });
if (error) throw new Error(error.detail);
const { data: budget } = await getBudget({ client });
console.log(models, budget);
