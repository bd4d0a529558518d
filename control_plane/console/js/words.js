// What things are called.
export const TYPES = {
  EXPORT: { name: "Film", verb: "Cut a film", icon: "film", about: "Clips, captions, voice and music, stitched into one film." },
  RENDER: { name: "Video from text", verb: "Make a shot from words", icon: "spark", about: "Describe a shot; a video model films it." },
  IMG2VID: { name: "Moving picture", verb: "Set a picture in motion", icon: "image", about: "A still picture and a camera move." },
  TTS: { name: "Voice", verb: "Speak a text", icon: "voice", about: "Narration in a voice you choose, or one like a recording." },
  LIPSYNC: { name: "Lip-sync", verb: "Make a face speak", icon: "mouth", about: "A face on video that speaks your recording." },
  TRAIN_TWIN: { name: "Twin", verb: "Train a twin", icon: "twin", about: "A LoRA of one person or thing, from a few pictures." },
};

export const STATUSES = {
  QUEUED: { name: "Waiting", tone: "waiting" },
  RUNNING: { name: "Running", tone: "running" },
  SUCCEEDED: { name: "Done", tone: "good" },
  FAILED: { name: "Failed", tone: "bad" },
  CANCELED: { name: "Canceled", tone: "quiet" },
};

/** What an endpoint's state is called, and how it looks. */
export const ENDPOINT_STATES = {
  endpoint_unreachable: { name: "Out of reach", tone: "bad" },
  stalled: { name: "Stalled", tone: "bad" },
  crash_looping: { name: "Workers crash", tone: "bad" },
  throttled: { name: "Throttled", tone: "busy" },
  scaled_to_zero: { name: "Scaled to zero", tone: "bad" },
  cold_start: { name: "Cold", tone: "busy" },
  waiting_for_worker: { name: "Warm", tone: "good" },
};

const NEXT = {
  ENGINE_UNAVAILABLE: "No worker here can make this. Look at Models for what it needs: usually a GPU and downloaded weights.",
  OUT_OF_MEMORY: "Ask for less: a lower resolution, a shorter duration, the draft profile or a smaller model.",
  MEDIA_REFUSED: "One of the files could not be used. Duplicate the job and choose another file, or upload this one again.",
  INVALID_PARAMS: "Duplicate the job and change what the message names.",
  BAD_REFERENCE: "An address in the inputs leads nowhere. Duplicate the job and choose the file again.",
  COST_CAP_EXCEEDED: "It cost more than it may. Duplicate it with a higher limit, or ask for less.",
  WORKER_LOST: "The worker vanished, which passes by itself more often than not: retry.",
  NOT_STARTED: "No worker took it in time. See Endpoint for the reason, then retry.",
  SUBMIT_LOST: "The endpoint did not answer. See Endpoint, then retry.",
  STORAGE_FAILED: "The bucket did not answer or refused. Check its settings with rushes doctor, then retry.",
  OUTPUT_MISSING: "The worker said it was done and left nothing. Retry; if it stays so, look at the worker's log.",
  ENGINE_FAILED: "Retry. If it fails the same way again, another seed, model or resolution may help.",
  INPUT_FAILED: "A job that this one needed has failed. Mend that one first.",
};

/** The next step to take after a failure. */
export const nextStep = (job) =>
  NEXT[job.error_code] ?? "Retry it as it is, or duplicate it and change something.";

/** What a person would call this job: the name they gave it, or the words they wrote. */
export function titleOf(job) {
  const { params = {}, labels = {} } = job;
  const written = labels.name ?? params.metadata?.title ?? params.prompt ?? params.text ?? params.name;
  if (written) return written;
  if (job.type === "EXPORT") {
    const clips = params.clips?.length ?? params.tracks?.length ?? 0;
    return `Film of ${clips} ${params.clips?.length ? "clip" : "track"}${clips === 1 ? "" : "s"}`;
  }
  return TYPES[job.type]?.name ?? job.type;
}

const NAMES = { fps: "Frames a second", lora: "Twin", pad_bottom: "Room below the chin" };

/** `aspect_ratio` → `Aspect ratio`. */
export function spelled(name) {
  if (NAMES[name]) return NAMES[name];
  const words = name.replaceAll("_", " ").replace(/\burls?\b/, "").trim() || name;
  return words.charAt(0).toUpperCase() + words.slice(1);
}
