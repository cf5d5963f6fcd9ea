/** The option `code`, of `send` and `receive`, with its checks and defaults. */
import { defaults } from '../defaults.js'
import { TransferError } from '../errors.js'

/** The options about codes, of `send` and `receive`. */
export interface CodeOptions {
  /**
   * Four words in place of a key, for one transfer. `true` for the side that listens, which makes the code, and tells it
   * in the event `listening`, as `words`; the words for the side that connects. Then everything is encrypted, and nobody else gets
   * in. A listener takes `count` peers (default 1) within `wait` (default 3,600,000, an hour). It ends with the code
   * `key` after three wrong guesses. Code `key` if the other side has another code or none, `usage` for words that are
   * none, and with `key` or `plain`. Default: none.
   */
  code?: boolean | string | undefined
}

interface Others {
  key?: unknown
  plain?: boolean | undefined
  perKeyFolder?: boolean | undefined
  listens?: boolean | undefined
  count?: number | undefined
}

/** Throws a usage error if the code does not go with the other options. */
export function checkCode({ code, key, plain, perKeyFolder, listens, count }: CodeOptions & Others): void {
  if (key !== undefined) throw usage('a code is in place of a key, so the two do not go together')
  if (plain) throw usage('a code needs the protocol, so plain does not go with it')
  if (perKeyFolder) throw usage('a folder for each key needs keys with names')
  if (listens && code !== true) throw usage('a side that listens makes its own code')
  if (!listens && typeof code !== 'string') throw usage('a side that connects needs the code of the side that listens')
  if (count === Number.POSITIVE_INFINITY) throw usage('a code is for a number of transfers, so it has to end')
}

function usage(message: string): TransferError {
  return new TransferError('usage', message)
}

/** The options of a side that listens with a code: its code is for one peer, and expires. */
export function withCodeDefaults<
  Options extends CodeOptions & { count?: number | undefined; wait?: number | undefined },
>(options: Options): Options {
  const { code, count = 1, wait = defaults.codeWait } = options
  return code === true ? { ...options, count, wait } : options
}
