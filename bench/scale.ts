/** How much of everything: a full run stays under ten minutes, a quick one under two. */
export interface Scale {
  readonly name: 'full' | 'quick';
  readonly rounds: number;
  /** Of one side's turn in a round. */
  readonly seconds: number;
  /**
   * Answers of one side before its first turn that counts. V8 turns to what is called 3,000 times
   * (`--invocation-count-for-turbofan`) and is busy with it for as long again and more; an installation that has been up for days
   * is what matters.
   */
  readonly warmUpAnswers: number;
  /** Small pictures that a worker processes before anything of it counts. */
  readonly warmUpImages: number;
  /** Rows of the user who has the most. */
  readonly manyRows: number;
  readonly photos2Mp: number;
  readonly photos12Mp: number;
  readonly imageRounds: number;
  readonly singleRounds: number;
}

export const FULL: Scale = {
  name: 'full',
  rounds: 5,
  seconds: 1.1,
  warmUpAnswers: 8000,
  warmUpImages: 2000,
  manyRows: 1_000_000,
  photos2Mp: 100,
  photos12Mp: 30,
  imageRounds: 3,
  singleRounds: 15,
};

export const QUICK: Scale = {
  name: 'quick',
  rounds: 2,
  seconds: 1,
  warmUpAnswers: 1,
  warmUpImages: 50,
  manyRows: 50_000,
  photos2Mp: 10,
  photos12Mp: 4,
  imageRounds: 1,
  singleRounds: 3,
};
