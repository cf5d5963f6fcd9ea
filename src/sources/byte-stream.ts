/** What gives bytes piece by piece: a stream of Node.js, a stream of the web, or any other async iterable. */
import { Readable } from 'node:stream'

/** A stream, or an async iterable of bytes or text, which becomes UTF-8. */
export type ByteStream = Readable | AsyncIterable<Uint8Array | string>

function isReadable(value: ByteStream): value is Readable {
  return 'read' in value && 'on' in value
}

export function isByteStream(value: unknown): value is ByteStream {
  return (
    typeof value === 'object' && value !== null && (isReadable(value as ByteStream) || Symbol.asyncIterator in value)
  )
}

/** A stream of Node.js that is destroyed closes the iterable, too. A web stream is cancelled. */
export function readableOf(stream: ByteStream): Readable {
  return isReadable(stream) ? stream : Readable.from(stream, { objectMode: false })
}
