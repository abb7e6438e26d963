import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely';
import { describe, expect, it } from 'vitest';
import { Statement, type Values } from './statement.js';

/** Writes SQL as it does for PostgreSQL, and has no connection to anywhere. */
const compiler = new Kysely<unknown>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (on) => new PostgresIntrospector(on),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

interface Size {
  readonly width: number;
  readonly height: number;
}

describe(Statement.name, () => {
  it('makes its text once, however often it is run', () => {
    let made = 0;
    const area = new Statement<Size, unknown>(({ width, height }) => {
      made += 1;
      return sql`select ${width} * ${height}`;
    });

    const first = area.with({ width: 2, height: 3 }).compile(compiler);
    const second = area.with({ width: 4, height: 5 }).compile(compiler);

    expect(first).toEqual({ sql: 'select $1 * $2', parameters: [2, 3] });
    expect(second).toEqual({ sql: 'select $1 * $2', parameters: [4, 5] });
    expect(made).toBe(1);
  });

  it('has every value as a parameter, also one that reads like SQL', () => {
    const find = new Statement<{ name: string }, unknown>(({ name }) => sql`select 1 where name = ${name}`);

    const { sql: text, parameters } = find.with({ name: "'; drop table x; --" }).compile(compiler);

    expect(text).toBe('select 1 where name = $1');
    expect(parameters).toEqual(["'; drop table x; --"]);
  });

  it('keeps what is always the same beside what changes, each in its place', () => {
    const part = (height: Values<Size>['height']) => sql`height = ${height} + ${10}`;
    const find = new Statement<Size, unknown>(
      ({ width, height }) => sql`select 1 where ${part(height)} and ${'always'} = width and width = ${width}`,
    );

    expect(find.with({ width: 7, height: 8 }).compile(compiler)).toEqual({
      sql: 'select 1 where height = $1 + $2 and $3 = width and width = $4',
      parameters: [8, 10, 'always', 7],
    });
  });

  it('lets an argument be null, and be used twice', () => {
    const find = new Statement<{ hash: string | null }, unknown>(({ hash }) => sql`select ${hash}, ${hash}`);

    expect(find.with({ hash: null }).compile(compiler).parameters).toEqual([null, null]);
    expect(find.with({ hash: 'a' }).compile(compiler).parameters).toEqual(['a', 'a']);
  });
});
