import { useRushes } from "@rushes/client/react";
import { type FormEvent, useRef, useState } from "react";
import { type Clip, Clips } from "./Clips";
import { makeFilm, SHAPES, type Shape } from "./make-film";

export function NewFilm({ onMade }: { onMade: (jobId: string) => void }) {
  const rushes = useRushes();
  const [clips, setClips] = useState<Clip[]>([]);
  const [shape, setShape] = useState<Shape>("16:9");
  const [uploaded, setUploaded] = useState<number>();
  const [problem, setProblem] = useState<string>();
  const uploading = useRef<AbortController>(undefined);

  const make = async (event: FormEvent) => {
    event.preventDefault();
    const controller = new AbortController();
    uploading.current = controller;
    setProblem(undefined);
    setUploaded(0);
    try {
      const files = clips.map(({ file }) => file);
      const { signal } = controller;
      const film = await makeFilm(rushes, files, { shape, signal, onProgress: setUploaded });
      setClips([]);
      onMade(film.job_id);
    } catch (error) {
      if (!controller.signal.aborted)
        setProblem(error instanceof Error ? error.message : "That film cannot be made");
    }
    setUploaded(undefined);
  };

  const isBusy = uploaded !== undefined;
  return (
    <form className="card" onSubmit={make}>
      <h1>New film</h1>
      <Clips clips={clips} isFixed={isBusy} onChange={setClips} />
      <label>
        Shape
        <select value={shape} disabled={isBusy} onChange={(event) => setShape(event.target.value as Shape)}>
          {Object.entries(SHAPES).map(([value, name]) => (
            <option key={value} value={value}>{`${name} (${value})`}</option>
          ))}
        </select>
      </label>
      {problem && <p role="alert">{problem}</p>}
      {isBusy ? (
        <div className="row">
          <progress aria-label="Uploaded" value={uploaded} />
          <button type="button" onClick={() => uploading.current?.abort()}>
            Stop
          </button>
        </div>
      ) : (
        <button type="submit" className="main" disabled={clips.length === 0}>
          Make the film
        </button>
      )}
    </form>
  );
}
