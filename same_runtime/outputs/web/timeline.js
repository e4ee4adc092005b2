// Replay and recording: keeps the poses that came, shows the newest or the one scrubbed to.
const KEPT = 5 * 60 * 60; // five minutes
const at = (id) => document.getElementById(id);

export class Timeline {
  #poses = [];
  #index = null; // of the pose shown; null: the newest
  #playing = false; // forward from #index, in real time
  #playedFrom = 0; // performance.now() at the pose shown, while playing
  #recordedFrom = null; // ns of the pose at which a recording began

  constructor() {
    at("scrubber").addEventListener("input", (event) => this.#goTo(Number(event.target.value)));
    at("pause").addEventListener("click", () => this.#stopOrGo());
    at("record").addEventListener("click", (event) => this.#record(event.shiftKey));
  }

  add(message) {
    this.#poses.push(message);
    if (this.#poses.length > KEPT) {
      this.#poses.shift();
      if (this.#index !== null) this.#index = Math.max(this.#index - 1, 0);
    }
    at("scrubber").max = this.#poses.length - 1;
    this.#tell();
  }

  /** The message to draw; null before the first. */
  shown() {
    if (this.#playing) this.#playOn();
    return this.#poses.at(this.#index ?? -1) ?? null;
  }

  key(event) {
    const step = event.shiftKey ? this.#posesInASecond() : 1;
    const now = this.#index ?? this.#poses.length - 1;
    const actions = {
      " ": () => this.#stopOrGo(),
      ArrowLeft: () => this.#goTo(now - step),
      ArrowRight: () => this.#goTo(now + step),
      Home: () => this.#goTo(0),
      End: () => this.#goLive(),
      c: () => this.#record(false),
      C: () => this.#record(true),
    };
    if (!actions[event.key]) return;
    event.preventDefault(); // else a focused button or the scrubber would act too
    actions[event.key]();
  }

  #goTo(index) {
    if (this.#poses.length === 0) return;
    this.#playing = false;
    this.#index = Math.min(Math.max(index, 0), this.#poses.length - 1);
    this.#tell();
  }

  #goLive() {
    this.#playing = false;
    this.#index = null;
    this.#tell();
  }

  #stopOrGo() {
    if (this.#index === null || this.#playing) {
      this.#goTo(this.#index ?? this.#poses.length - 1);
    } else {
      this.#playing = true;
      this.#playedFrom = performance.now() - 1e3 * this.#poses[this.#index].time_s;
      this.#tell();
    }
  }

  #playOn() {
    const time = 1e-3 * (performance.now() - this.#playedFrom);
    while (this.#index < this.#poses.length - 1 && this.#poses[this.#index + 1].time_s <= time) {
      this.#index += 1;
    }
    if (this.#index === this.#poses.length - 1) this.#goLive();
    else this.#tell();
  }

  #record(asBvh) {
    const newest = this.#poses.at(this.#index ?? -1);
    if (!newest) return;
    if (this.#recordedFrom === null) {
      this.#recordedFrom = newest.ns;
    } else {
      const [from, to] = [BigInt(this.#recordedFrom), BigInt(newest.ns)];
      const link = document.createElement("a");
      const [first, last] = from < to ? [from, to] : [to, from];
      link.href = `/motion.${asBvh ? "bvh" : "glb"}?from=${first}&to=${last}`;
      link.download = `motion.${asBvh ? "bvh" : "glb"}`;
      link.click();
      this.#recordedFrom = null;
    }
    this.#tell();
  }

  #posesInASecond() {
    const last = this.#poses.at(-1);
    const span = last ? last.time_s - this.#poses[0].time_s : 0;
    return span > 0 ? Math.max(1, Math.round(this.#poses.length / span)) : 1;
  }

  #tell() {
    const last = this.#poses.length - 1, live = this.#index === null;
    at("scrubber").value = live ? last : this.#index;
    const behind = live ? 0 : this.#poses[last].time_s - this.#poses[this.#index].time_s;
    at("when").textContent = live ? "live" : `−${behind.toFixed(2)} s`;
    const running = live || this.#playing;
    at("pause").textContent = running ? "❚❚" : "▶";
    at("pause").setAttribute("aria-label", running ? "stop" : "go on");
    const recording = this.#recordedFrom !== null;
    at("record").classList.toggle("on", recording);
    at("record").setAttribute("aria-label", recording ? "end the recording" : "record");
  }
}
