import { onAbort } from "../abort";

/** Wakes the one who waits. Rung while nobody does, it is heard at the next wait. */
export class Bell {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves once it has been rung since the last time. Rejects with the signal's reason. */
  heard(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const leave = onAbort(signal, () => reject(signal?.reason));
      this.#wake = () => {
        leave();
        this.#isRung = false;
        this.#wake = undefined;
        resolve();
      };
      if (this.#isRung) this.#wake();
    });
  }
}
