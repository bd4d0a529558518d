import { RushesClient } from "@rushes/client";
import { RushesProvider } from "@rushes/client/react";
import { useMemo, useState } from "react";
import type { Connection } from "../bridge";
import { Film } from "./Film";
import { Films } from "./Films";
import { NewFilm } from "./NewFilm";
import { Settings } from "./Settings";

export function App({ connection }: { connection: Connection | undefined }) {
  const [isSetting, setIsSetting] = useState(false);
  if (connection === undefined) return <Settings connection={connection} />;
  return (
    <>
      <header>
        <strong>Rushes</strong>
        <span className="faint">{connection.baseUrl}</span>
        <button type="button" onClick={() => setIsSetting(!isSetting)}>
          {isSetting ? "Back to the films" : "Settings"}
        </button>
      </header>
      {isSetting ? <Settings connection={connection} /> : <Studio connection={connection} />}
    </>
  );
}

function Studio({ connection }: { connection: Connection }) {
  const client = useMemo(() => new RushesClient(connection), [connection]);
  const [filmId, setFilmId] = useState<string>();
  return (
    <RushesProvider client={client}>
      <main className="studio">
        <div>
          <NewFilm onMade={setFilmId} />
          <Films selected={filmId} onSelect={setFilmId} />
        </div>
        <Film id={filmId} />
      </main>
    </RushesProvider>
  );
}
