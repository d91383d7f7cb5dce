// The last quarter of an hour of all figures. Bounded: a tab may be open for days.

const KEPT_S = 15 * 60;
/** Moments that are older than the newest by less than this are repetitions. */
const SET_BACK_S = 5;

export const figures = {
  /** Times in seconds since 1970, as the chart library takes them. */
  at: [],
  columns: new Map(),

  /** Takes the history that a stream begins with. What was seen before it, of an earlier process, stays. */
  begin(history) {
    const { at_ms: times, ...columns } = history;
    const first = times.length > 0 ? times[0] / 1000 : Infinity;
    let kept = this.at.findIndex((at) => at >= first);
    if (kept < 0) kept = times.length > 0 ? this.at.length : 0;
    if (times.length === 0) kept = this.at.length;
    const before = this.at.slice(0, kept);
    // A gap in the lines where nothing was seen.
    const gap = before.length > 0 && times.length > 0 && first - before.at(-1) > 2.5 ? [first - 0.5] : [];
    this.at = [...before, ...gap, ...times.map((ms) => ms / 1000)];
    const names = new Set([...this.columns.keys(), ...Object.keys(columns)]);
    for (const name of names) {
      const earlier = this.columns.get(name)?.slice(0, kept) ?? new Array(kept).fill(null);
      const later = columns[name] ?? new Array(times.length).fill(null);
      this.columns.set(name, [...earlier, ...gap.map(() => null), ...later]);
    }
    this.trim();
  },

  add(moment) {
    const at = moment.at_ms / 1000;
    const ahead = (this.at.at(-1) ?? at) - at;
    // The clock of the service was set back: what was seen has no place before what is to come.
    if (ahead > SET_BACK_S) this.forget();
    else if (this.at.length > 0 && ahead >= 0) return;
    this.at.push(at);
    for (const name of Object.keys(moment.figures)) {
      if (!this.columns.has(name)) this.columns.set(name, new Array(this.at.length - 1).fill(null));
    }
    for (const [name, column] of this.columns) column.push(moment.figures[name] ?? null);
    this.trim();
  },

  forget() {
    this.at = [];
    this.columns.clear();
  },

  trim() {
    const oldest = (this.at.at(-1) ?? 0) - KEPT_S;
    let late = this.at.findIndex((at) => at >= oldest);
    if (late < 0) late = 0;
    late = Math.max(late, this.at.length - KEPT_S - 60);
    if (late === 0) return;
    this.at.splice(0, late);
    for (const column of this.columns.values()) column.splice(0, late);
  },

  column(name) {
    return this.columns.get(name) ?? new Array(this.at.length).fill(null);
  },

  /** The sum of several figures, point by point. */
  sum(names) {
    const columns = names.map((name) => this.column(name));
    return this.at.map((_, index) => {
      let sum = null;
      for (const column of columns) if (column[index] !== null) sum = (sum ?? 0) + column[index];
      return sum;
    });
  },

  /** The sum of a rate over all that is kept: the number of events. */
  total(name) {
    const lasted = (index) => (index === 0 ? 1 : this.at[index] - this.at[index - 1]);
    return this.column(name).reduce((sum, value, index) => sum + (value === null ? 0 : value * lasted(index)), 0);
  },
};
