/** A message on its way in. It is reported and not stored. Its size is limited, so it is held in memory. */
import { isUtf8 } from 'node:buffer'
import { refusal } from '../errors.js'
import { MAX_MESSAGE } from '../protocol/limits.js'
import type { Header } from '../protocol/messages.js'
import type { Sink } from './store.js'

/** Throws a refusal if the message is too long or has no size. `commit` returns the text. */
export function messageSink({ size }: Header): Sink {
  if (size === null || size > MAX_MESSAGE) throw refusal('too-large', `a message has at most ${MAX_MESSAGE} bytes`)
  const message = Buffer.alloc(size)
  return {
    write: (bytes, offset) => bytes.copy(message, offset) === bytes.length,
    writeLater: async () => {},
    commit: async () => {
      if (!isUtf8(message)) throw refusal('policy', 'the message is not UTF-8')
      return { name: '', path: '', text: message.toString() }
    },
    have: 0,
    hasChanged: false,
    readAt: async () => 0,
    keep: async () => null,
    discard: async () => {},
  }
}
