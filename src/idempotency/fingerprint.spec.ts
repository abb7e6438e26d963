import { describe, expect, it } from 'vitest';
import { canonicalJson, fingerprint } from './fingerprint.js';

describe(canonicalJson, () => {
  it('does not depend on the order in which members came', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe(
      '{"a":true,"b":[1,{"c":"x","d":null}]}',
    );
    expect(canonicalJson(JSON.parse('{"a":1,"b":2}'))).toBe(
      canonicalJson(JSON.parse('{ "b": 2.0, "a": 1e0 }')),
    );
  });

  it('keeps the order of lists, and leaves out what is undefined', () => {
    expect(canonicalJson([2, 1, { a: undefined }])).toBe('[2,1,{}]');
    expect(canonicalJson([undefined])).toBe('[null]');
  });

  it('says the same as JSON where there is nothing to reorder', () => {
    for (const value of [null, 'quote " and \u2028', [], {}, [[], {}], { a: [{}] }, -0.5, 'ä']) {
      expect(canonicalJson(value)).toBe(JSON.stringify(value));
    }
  });

  it('reaches the bottom of what is nested far deeper than the stack', () => {
    const depth = 50_000;
    const text = '['.repeat(depth) + ']'.repeat(depth);
    expect(canonicalJson(JSON.parse(text)) === text).toBe(true);
  });
});

describe(fingerprint, () => {
  it('tells routes and bodies apart', () => {
    const prints = [fingerprint('POST /a', {}), fingerprint('POST /b', {}), fingerprint('POST /a', { a: 1 })];
    expect(new Set(prints.map((print) => print.toString('hex'))).size).toBe(3);
    expect(fingerprint('POST /a', { a: 1, b: 2 })).toEqual(fingerprint('POST /a', { b: 2, a: 1 }));
  });
});
