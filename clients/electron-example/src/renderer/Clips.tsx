import { type ChangeEvent, useRef } from "react";

export interface Clip {
  key: number;
  file: File;
}

interface Props {
  clips: Clip[];
  isFixed: boolean;
  onChange: (clips: Clip[]) => void;
}

/** The chosen files in the order in which the film shows them. */
export function Clips({ clips, isFixed, onChange }: Props) {
  const nextKey = useRef(0);
  const choose = (event: ChangeEvent<HTMLInputElement>) => {
    const chosen = [...(event.target.files ?? [])].map((file) => ({ key: nextKey.current++, file }));
    onChange([...clips, ...chosen]);
    event.target.value = ""; // so that the same file can be chosen again
  };
  return (
    <>
      <label className="choose">
        Add clips
        <input type="file" multiple accept="video/*,image/*" disabled={isFixed} onChange={choose} />
      </label>
      <ol className="clips">
        {clips.map(({ key, file }, place) => (
          <li key={key}>
            <span>{file.name}</span>
            <button
              type="button"
              aria-label={`Move ${file.name} up`}
              disabled={isFixed || place === 0}
              onClick={() => onChange(movedUp(clips, place))}
            >
              ↑
            </button>
            <button
              type="button"
              aria-label={`Remove ${file.name}`}
              disabled={isFixed}
              onClick={() => onChange(clips.filter((clip) => clip.key !== key))}
            >
              ✕
            </button>
          </li>
        ))}
      </ol>
    </>
  );
}

function movedUp(clips: Clip[], place: number): Clip[] {
  const others = clips.filter((_, at) => at !== place);
  return [...others.slice(0, place - 1), ...clips.slice(place, place + 1), ...others.slice(place - 1)];
}
