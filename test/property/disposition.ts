/** A `Content-Disposition` as a browser takes it. */
export interface Disposition {
  readonly type: string;
  readonly fileName: string | null;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"';
const PARAMETER = new RegExp(`^; *(${TOKEN})=(${QUOTED}|${TOKEN})`);
const EXTENDED = /^UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*)$/;

/**
 * Reads the header strictly after the grammar of RFC 6266, section 4.1, with `filename*` after RFC 8187, which wins over
 * the plain one. Nothing of the service's own is used, so that two mistakes cannot cancel each other out.
 *
 * @throws Error for whatever the grammar does not allow, a parameter given twice among it
 */
export function parseDisposition(header: string): Disposition {
  const [type = ''] = new RegExp(`^${TOKEN}`).exec(header) ?? [];
  const parameters = new Map<string, string>();
  let rest = header.slice(type.length);
  while (rest !== '') {
    const [all = '', name = '', value = ''] = PARAMETER.exec(rest) ?? [];
    if (all === '' || parameters.has(name.toLowerCase())) {
      throw new Error(`Not after the grammar: ${rest}`);
    }
    parameters.set(name.toLowerCase(), value);
    rest = rest.slice(all.length);
  }
  const [plain, extended] = [parameters.get('filename'), parameters.get('filename*')];
  return { type, fileName: extended === undefined ? unquoted(plain) : decoded(extended) };
}

function unquoted(value: string | undefined): string | null {
  if (value === undefined) {
    return null;
  }
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

function decoded(value: string): string {
  const [, encoded] = EXTENDED.exec(value) ?? [];
  if (encoded === undefined) {
    throw new Error(`Not an extended value: ${value}`);
  }
  return decodeURIComponent(encoded);
}
