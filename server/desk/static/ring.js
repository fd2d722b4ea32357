// The ring: two soft tones, made here, so that no file has to be fetched while somebody waits.

const CADENCE_MS = 2600;
const TONES_HZ = [523.25, 659.25]; // a third, C5 and E5: heard through a headset, not shrill
const TONE_S = 0.38;
const LOUDNESS = 0.16;

export class Ring {
  #context = null;
  #timer = null;
  aloud = true;

  start() {
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#sound(), CADENCE_MS);
    this.#sound();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #sound() {
    if (!this.aloud) return;
    this.#context ??= new AudioContext();
    this.#context.resume().catch(() => {}); // a page that was never touched stays silent
    TONES_HZ.forEach((hz, index) => this.#tone(hz, this.#context.currentTime + index * TONE_S * 0.8));
  }

  #tone(hz, at) {
    const oscillator = this.#context.createOscillator();
    const gain = this.#context.createGain();
    oscillator.frequency.value = hz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(LOUDNESS, at + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    oscillator.connect(gain).connect(this.#context.destination);
    oscillator.start(at);
    oscillator.stop(at + TONE_S);
  }
}
