/**
 * Turns the payload of each control frame into a message. The payload came from a peer, which may lie in every field.
 * Each field is checked for its type and range and copied into a fresh object. So no name that the peer chose can reach
 * a prototype, and no unknown field goes further.
 */
import { printable } from '../text.js'
import { Fields } from './fields.js'
import { MAX_CONNECTIONS, MAX_DIGESTS, MAX_LISTED, MAX_RANGES, MAX_SAMPLES, MAX_TIME, VERSION } from './limits.js'
import {
  type Abort,
  type Bundling,
  type Digests,
  type End,
  type Ended,
  entryKinds,
  type Finished,
  type Greeting,
  type Header,
  type Heartbeat,
  type Listed,
  type Position,
  type Received,
  type ReceivedHeader,
  type ReceiverGreeting,
  type Refused,
  resumeWays,
  type SenderGreeting,
  type Stored,
  type Wanted,
} from './messages.js'
import { ProtocolError } from './protocol-error.js'

/** The fields that the greetings of both sides have. */
function readGreeting(fields: Fields, side: 'sender' | 'receiver'): Greeting {
  const version = fields.integer('version', 1)
  // Nothing else is known of another version, so its other fields are not judged.
  if (version !== VERSION) {
    const text = `the ${side} speaks version ${version} of the protocol, this side version ${VERSION}`
    throw new ProtocolError(text, 'version')
  }
  const text = (name: string) => fields.string(name).slice(0, 200)
  return { version, ...fields.present('digest', text), ...fields.present('software', text) }
}

/** The payload of an abort and of a refusal. */
function parseFailure(frame: string, payload: Uint8Array): Abort & Refused {
  const fields = new Fields(frame, payload)
  return fields.finish({
    entry: fields.nullable('entry', (name) => fields.integer(name)),
    reason: fields.string('reason'),
    message: fields.string('message'),
  })
}

/** True if a header that has `resume` says of what. */
function canResume({ kind, source, edition, size, resume }: Header): boolean {
  if (resume === undefined) return true
  if (source === undefined) return false
  return resume === 'list' ? kind === 'directory' : kind === 'file' && edition !== undefined && size !== null
}

export const parsers = {
  greeting: (payload: Uint8Array): SenderGreeting => {
    const fields = new Fields('greeting', payload)
    const greeting = readGreeting(fields, 'sender')
    return fields.finish({
      ...greeting,
      ...fields.present('transfer', (name) => fields.token(name)),
      ...fields.present('bundle', (name) => fields.token(name)),
      ...fields.present('join', (name) => fields.token(name)),
    })
  },
  receiverGreeting: (payload: Uint8Array): ReceiverGreeting => {
    const fields = new Fields('greeting', payload)
    const greeting = readGreeting(fields, 'receiver')
    return fields.finish({
      ...greeting,
      features: fields.optional('features', (name) => fields.words(name)) ?? [],
      ...fields.present('rtt', (name) => fields.integer(name)),
      ...fields.present('join', (name) => fields.token(name)),
    })
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
      mtime: fields.optionalInteger('mtime', -MAX_TIME, MAX_TIME),
      mode: fields.optionalInteger('mode', 0, 0o177777),
      ...fields.present('id', (name) => fields.integer(name)),
      ...fields.present('source', (name) => fields.token(name)),
      ...fields.present('edition', (name) => fields.token(name)),
      ...fields.present('resume', (name) => fields.oneOf(name, resumeWays)),
    }
    if (!canResume(header)) throw new ProtocolError('the header frame has "resume", and lacks what that needs')
    // This costs the sender one entry, and not its connection.
    const unsupported = kind ? fields.unsupported() : fields.notKnown(`the kind "${printable(given, 60)}"`)
    return unsupported === null ? header : { ...header, unsupported }
  },
  digests: (payload: Uint8Array): Digests => {
    const fields = new Fields('digests', payload)
    const digests = fields.digests('digests', MAX_DIGESTS)
    return fields.finish({
      digests,
      ...fields.present('lengths', (name) => fields.lengths(name, digests.length)),
      ...fields.present('samples', (name) => fields.digests(name, MAX_SAMPLES)),
    })
  },
  position: (payload: Uint8Array): Position => {
    const fields = new Fields('position', payload)
    return fields.finish({ offset: fields.integer('offset') })
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
      ...fields.present('reused', (name) => fields.boolean(name)),
    })
  },
  refused: (payload: Uint8Array): Refused => parseFailure('refused', payload),
  wanted: (payload: Uint8Array): Wanted => {
    const fields = new Fields('wanted', payload)
    const wanted = {
      entry: fields.integer('entry'),
      ranges: fields.ranges('ranges', MAX_RANGES),
      ...fields.present('changed', (name) => fields.boolean(name)),
      ...fields.present('more', (name) => fields.boolean(name)),
    }
    if (wanted.more && wanted.ranges.length === 0) throw new ProtocolError('a frame that wants nothing has "more"')
    return fields.finish(wanted)
  },
  listed: (payload: Uint8Array): Listed => {
    const fields = new Fields('listed', payload)
    const listed = {
      entry: fields.integer('entry'),
      items: fields.strings('items', MAX_LISTED),
      ...fields.present('more', (name) => fields.boolean(name)),
    }
    if (listed.more && listed.items.length === 0) throw new ProtocolError('a list without a file has "more"')
    return fields.finish(listed)
  },
  bundle: (payload: Uint8Array): Bundling => {
    const fields = new Fields('bundle', payload)
    return fields.finish(fields.present('connections', (name) => fields.integer(name, 1, MAX_CONNECTIONS)))
  },
  block: (payload: Uint8Array): Position => {
    const fields = new Fields('block', payload)
    return fields.finish({ offset: fields.integer('offset') })
  },
  received: (payload: Uint8Array): Received => {
    const fields = new Fields('received', payload)
    return fields.finish({ blocks: fields.integer('blocks'), limit: fields.integer('limit') })
  },
  ended: (payload: Uint8Array): Ended => {
    const fields = new Fields('ended', payload)
    return fields.finish({ bytes: fields.integer('bytes') })
  },
  /** That of a sender has no fields. */
  senderHeartbeat: (payload: Uint8Array): object => new Fields('heartbeat', payload).finish({}),
  heartbeat: (payload: Uint8Array): Heartbeat => {
    const fields = new Fields('heartbeat', payload)
    return fields.finish({
      ...fields.present('entry', (name) => fields.integer(name)),
      ...fields.present('bytes', (name) => fields.integer(name)),
    })
  },
}
