/* Rung when something has changed, for whoever waits for it. */

export class Bell {
  #rung = false;
  /** @type {Set<() => void>} */
  #waiting = new Set();

  ring() {
    this.#rung = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Forget that it was rung. To be called before looking at what it stands for: what changes after is not missed. */
  clear() {
    this.#rung = false;
  }

  /**
   * Wait until it is rung, if it was not since `clear`; no longer than so many milliseconds.
   * @param {number} [ms]
   * @returns {Promise<void>}
   */
  async wait(ms) {
    if (!this.#rung) await this.#next(ms);
  }

  /**
   * Wait until something is so; whoever changes it rings.
   * @param {() => unknown} test
   */
  async until(test) {
    while (!test()) await this.#next();
  }

  /**
   * @param {number} [ms]
   * @returns {Promise<void>}
   */
  #next(ms) {
    return new Promise((resolve) => {
      const clock = ms === undefined ? undefined : setTimeout(() => wake(), ms);
      const wake = () => {
        clearTimeout(clock);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }
}
