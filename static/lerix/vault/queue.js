/* A queue that gives its first item in constant time: an array's `shift` moves all others. */

/** @template Item */
export class Queue {
  /** @type {Item[]} */
  #items = [];
  #first = 0;

  get length() {
    return this.#items.length - this.#first;
  }

  /** @param {Item} item */
  push(item) {
    this.#items.push(item);
  }

  /** The first item, taken out. Throws RangeError if there is none. @returns {Item} */
  shift() {
    const item = this.at(0);
    this.#first += 1;
    if (this.#first >= 64 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /**
   * An item, counted from the first. Throws RangeError if there is none.
   * @param {number} index
   * @returns {Item}
   */
  at(index) {
    if (index < 0 || index >= this.length) throw new RangeError("not in the queue");
    return this.#items[this.#first + index];
  }
}
