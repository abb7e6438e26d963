import { type Kysely, type RawBuilder, sql } from 'kysely';

/** What can be run: SQL that is put together for this one time, or a statement with its arguments. */
export interface Query<Row> {
  compile(compiler: Kysely<unknown>): { readonly sql: string; readonly parameters: readonly unknown[] };
  /** Always undefined: it tells the compiler what comes back. */
  readonly expressionType: Row | undefined;
}

/** A value, or what stands for it while the text of a statement is made. */
export type Value<T> = T | RawBuilder<T>;

/** The same for each of several. */
export type Values<T> = { readonly [Name in keyof T]: Value<T[Name]> };

type Expressions<Args> = { readonly [Name in keyof Args]: RawBuilder<Args[Name]> };

/** Takes the place of a value that is not known yet. */
class Placeholder {
  constructor(readonly name: string) {}
}

interface Text {
  readonly sql: string;
  /** In the order of the parameters: placeholders, and values that are always the same. */
  readonly slots: readonly unknown[];
}

/**
 * A statement whose text is made once, when it is first run, and not again for every request: putting a long one together
 * takes longer than sending it. What changes from one time to the next are its arguments, which are always parameters.
 */
export class Statement<Args extends object, Row> {
  private text: Text | null = null;

  /** @param build gets an expression for each argument; it never sees a value, which would stay in the text for ever */
  constructor(private readonly build: (args: Expressions<Args>) => RawBuilder<Row>) {}

  with(args: Args): Query<Row> {
    return {
      compile: (compiler) => this.compile(args, compiler),
      expressionType: undefined,
    };
  }

  private compile(args: Args, compiler: Kysely<unknown>): ReturnType<Query<Row>['compile']> {
    this.text ??= this.makeText(compiler);
    const { sql: text, slots } = this.text;
    const parameters = slots.map((slot) =>
      slot instanceof Placeholder ? Reflect.get(args, slot.name) : slot,
    );
    return { sql: text, parameters };
  }

  private makeText(compiler: Kysely<unknown>): Text {
    const query = this.build(expressions((name) => new Placeholder(name)));
    const { sql: text, parameters } = query.compile(compiler);
    return { sql: text, slots: parameters };
  }
}

/** Answers to any name: what a statement asks for is checked by the compiler. */
function expressions<Args extends object>(valueOf: (name: string) => unknown): Expressions<Args> {
  return new Proxy<Expressions<Args>>(Object.create(null), {
    get: (_target, name) => sql`${valueOf(String(name))}`,
  });
}
