import { type RushesClient, RushesError } from "@rushes/client";

export async function tryCancel(client: RushesClient, id: string): Promise<string> {
  try {
    const { status } = await client.cancelJob(id);
    return `It is ${status} now`;
  } catch (error) {
    if (!(error instanceof RushesError)) throw error;
    if (error.code === "ALREADY_FINISHED") return "Too late";
    return error.message; // one plain sentence
  }
}
