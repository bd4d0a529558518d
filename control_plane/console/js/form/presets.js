// Good beginnings.
export const PRESETS = {
  RENDER: [
    ["Establishing shot", { aspect_ratio: "16:9", duration: 5, resolution: "720p", profile: "exact" }],
    ["Vertical clip", { aspect_ratio: "9:16", duration: 5, resolution: "720p", profile: "exact" }],
    ["Quick draft", { duration: 2, resolution: "480p", profile: "draft" }],
  ],
  IMG2VID: [
    ["Slow push in", { motion: "zoom_in", strength: 0.3, duration: 5 }],
    ["Pull out", { motion: "zoom_out", strength: 0.5, duration: 5 }],
    ["Pan across", { motion: "pan_right", strength: 0.6, duration: 6 }],
    ["Vertical", { aspect_ratio: "9:16", motion: "zoom_in", strength: 0.4 }],
  ],
  TTS: [
    ["Narrator", { voice_preset: "narrator", speed: 1 }],
    ["Calm", { voice_preset: "calm", speed: 0.95 }],
    ["Bright and quick", { voice_preset: "bright", speed: 1.1 }],
  ],
  TRAIN_TWIN: [
    ["Quick look", { steps: 400, rank: 8 }],
    ["Likeness", { steps: 1200, rank: 16 }],
  ],
};
