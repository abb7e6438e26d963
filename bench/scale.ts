/** How much of everything: a full run stays under ten minutes, a quick one under two. */
export interface Scale {
  readonly name: 'full' | 'quick';
  readonly rounds: number;
  /** Of one side's turn in a round. */
  readonly seconds: number;
  /** Of one side, before the first turn that counts: an installation that has been up for days is what matters. */
  readonly warmUpSeconds: number;
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
  seconds: 2.2,
  warmUpSeconds: 5,
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
  warmUpSeconds: 0.5,
  manyRows: 50_000,
  photos2Mp: 10,
  photos12Mp: 4,
  imageRounds: 1,
  singleRounds: 3,
};
