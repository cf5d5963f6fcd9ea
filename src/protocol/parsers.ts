/**
 * How the payload of each control frame becomes a message. All of it came from a peer, which may lie in every field. Each
 * field is checked for its type and range and copied into a fresh object, so that no name of the peer's can reach a
 * prototype and nothing unknown goes further.
 */
import { printable } from '../text.js'
import { Fields } from './fields.js'
import { MAX_TIME } from './limits.js'
import {
  type Abort,
  type End,
  entryKinds,
  type Finished,
  type Greeting,
  type Heartbeat,
  type ReceivedHeader,
  type Refused,
  type Stored,
} from './messages.js'

/** The payload of an abort and of a refusal. */
function parseFailure(frame: string, payload: Uint8Array): Abort & Refused {
  const fields = new Fields(frame, payload)
  return fields.finish({
    entry: fields.nullable('entry', (name) => fields.integer(name)),
    reason: fields.string('reason'),
    message: fields.string('message'),
  })
}

export const parsers = {
  greeting: (payload: Uint8Array): Greeting => {
    const fields = new Fields('greeting', payload)
    const version = fields.integer('version', 1)
    // The other fields of a later version are unknown, so its number alone is read; the decoder then refuses it.
    if (version !== 1) return { version }
    const text = (name: string) => fields.string(name).slice(0, 200)
    return fields.finish({ version, ...fields.present('digest', text), ...fields.present('software', text) })
  },
  header: (payload: Uint8Array): ReceivedHeader => {
    const fields = new Fields('header', payload)
    const given = fields.optional('!kind', (name) => fields.string(name)) ?? 'file'
    const kind = entryKinds.find((known) => known === given)
    const header = {
      kind: kind ?? 'file',
      name: fields.string('name'),
      size: fields.nullable('size', (name) => fields.integer(name)),
      type: fields.optional('type', (name) => fields.mediaType(name)) ?? 'application/octet-stream',
      mtime: fields.optional('mtime', (name) => fields.integer(name, -MAX_TIME, MAX_TIME)),
      mode: fields.optional('mode', (name) => fields.integer(name, 0, 0o177777)),
    }
    // This costs the sender one entry, and not its connection.
    const unsupported = kind ? fields.unsupported() : fields.notKnown(`the kind "${printable(given, 60)}"`)
    return unsupported === null ? header : { ...header, unsupported }
  },
  end: (payload: Uint8Array): End => {
    const fields = new Fields('end', payload)
    return fields.finish({
      bytes: fields.integer('bytes'),
      blake3: fields.optional('blake3', (name) => fields.digest(name)),
      ...fields.present('sha256', (name) => fields.digest(name)),
      ...fields.present('header', (name) => fields.digest(name)),
    })
  },
  abort: (payload: Uint8Array): Abort => parseFailure('abort', payload),
  finished: (payload: Uint8Array): Finished => {
    const fields = new Fields('finished', payload)
    return fields.finish({ entries: fields.integer('entries') })
  },
  stored: (payload: Uint8Array): Stored => {
    const fields = new Fields('stored', payload)
    return fields.finish({
      entry: fields.integer('entry'),
      name: fields.string('name'),
      bytes: fields.integer('bytes'),
      blake3: fields.optional('blake3', (name) => fields.digest(name)),
      ...fields.present('sha256', (name) => fields.digest(name)),
    })
  },
  refused: (payload: Uint8Array): Refused => parseFailure('refused', payload),
  heartbeat: (payload: Uint8Array): Heartbeat => {
    const fields = new Fields('heartbeat', payload)
    return fields.finish({
      ...fields.present('entry', (name) => fields.integer(name)),
      ...fields.present('bytes', (name) => fields.integer(name)),
    })
  },
}
