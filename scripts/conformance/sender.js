/** Judges a sender: listens, takes what it sends in the role of four receivers, one connection each. */
import { createServer } from 'node:net'
import { digestOf, frame, framesIn, shown } from './wire.js'

const PATIENCE_MS = 40_000
/** For so long the greeting is held back, so that a sender which does not wait for it is noticed. */
const HELD_MS = 500

/** What the receiver of each connection is like. */
export const roles = [
  { title: 'a receiver of BLAKE3', section: 'Digests', digest: 'blake3', late: true },
  { title: 'a receiver of SHA-256', section: 'Digests', digest: 'sha256' },
  { title: 'a receiver of a later version, with extensions', section: 'Extensions', digest: 'blake3', extended: true },
  { title: 'a receiver that refuses every entry', section: 'Frames of the receiver', digest: 'blake3', refuses: true },
]

/** Calls `tell(role, problems)` for each role, and `ready(port, role)` when a sender may come. */
export async function checkSender({ port }, ready, tell) {
  const server = createServer({ allowHalfOpen: true })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, resolve))
  try {
    for (const role of roles) {
      const coming = new Promise((resolve) => server.once('connection', resolve))
      ready(server.address().port, role)
      tell(role, await judge(await coming, role))
    }
  } finally {
    server.close()
  }
}

async function judge(socket, role) {
  const receiver = new Receiver(socket, role)
  socket.setTimeout(PATIENCE_MS, () => socket.destroy())
  socket.on('error', () => {}) // What is wrong with the end is said below.
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) if (await receiver.take(chunk)) break
    return receiver.finish()
  } catch (error) {
    return [...receiver.problems, { text: error.message }]
  } finally {
    socket.end()
    socket.resume()
  }
}

class Receiver {
  problems = []
  #socket
  #role
  #bytes = Buffer.alloc(0)
  #magic = false
  #greeted = false
  #digest = 'blake3'
  #greeting
  #entries = []
  #entry
  #over = false

  constructor(socket, role) {
    this.#socket = socket
    this.#role = role
  }

  #wrong(text, lax = false) {
    this.problems.push({ text, lax })
  }

  /** True when the transfer is over. */
  async take(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    if (!this.#magic && this.#bytes.length >= 8) {
      const magic = this.#bytes.subarray(0, 8).toString('latin1')
      if (magic !== 'tcp-send') throw new Error(`it begins with ${shown(magic)}, not "tcp-send"`)
      this.#magic = true
      this.#bytes = this.#bytes.subarray(8)
    }
    if (!this.#magic) return false
    const { frames, rest } = framesIn(this.#bytes)
    this.#bytes = rest
    for (const one of frames) await this.#frame(one)
    return this.#over
  }

  /** What is wrong, when the sender says nothing more. */
  finish() {
    if (!this.#over) this.#wrong('the stream ends before F')
    if (this.#over && this.#entries.length === 0) this.#wrong('it sends no entry, so there is nothing to judge')
    return this.problems
  }

  async #frame({ type, payload, fields }) {
    if (this.#over) this.#wrong(`${type} follows after the end`)
    else if (!this.#greeted) this.#greet(type, fields)
    else if (type === 'H') this.#header(payload, fields)
    else if (type === 'D') this.#data(payload)
    else if (type === 'E') await this.#end(fields)
    else if (type === 'A') this.#abort(fields)
    else if (type === 'F') await this.#finished(fields)
    else if (type !== 'B' && !/[a-z]/.test(type)) this.#wrong(`a frame of the type ${type}, which no feature allows`)
  }

  #greet(type, fields) {
    if (type !== 'G') throw new Error(`the first frame is ${type}, not a greeting`)
    if (fields.version !== 1) this.#wrong(`the version is ${shown(fields.version)}`)
    this.#greeted = true
    this.#digest = fields.digest === 'sha256' ? 'sha256' : 'blake3'
    this.#greeting = new Promise((resolve) => {
      setTimeout(() => resolve(this.#sayHello()), this.#role.late ? HELD_MS : 0)
    })
  }

  #sayHello() {
    const { digest, extended } = this.#role
    const more = extended ? { later: { a: [1] }, features: ['later'] } : {}
    const greeting = frame('G', { version: 1, ...(digest === 'sha256' && { digest }), ...more })
    const skipped = extended ? [frame('x', { later: true }), frame('B', { later: 1 })] : []
    this.#socket.write(Buffer.concat([Buffer.from('tcp-recv'), greeting, ...skipped]))
    this.#greeting = undefined
  }

  #header(payload, fields) {
    const { name, size } = fields
    if (this.#entry) this.#wrong('a header comes before the end of the entry')
    if (typeof name !== 'string') this.#wrong('the name in H is no string')
    if (size !== null && !isCount(size)) this.#wrong(`the size in H is ${shown(size)}`)
    if (fields.resume != null) this.#wrong('H has "resume", which no feature allows')
    if (fields['!kind'] === 'directory') this.#wrong('H has a directory, which no feature allows')
    this.#entry = { number: this.#entries.length, payload, size, pieces: [], bytes: 0 }
    this.#entries.push(this.#entry)
    if (this.#role.refuses) void this.#answer('R', { entry: this.#entry.number, reason: 'policy', message: 'not here' })
  }

  #data(payload) {
    const entry = this.#entry
    if (!entry) return this.#wrong('data come before a header')
    if (entry.bytes % 1024 !== 0) this.#wrong('a D that is not the last holds an incomplete chunk')
    entry.pieces.push(Buffer.from(payload))
    entry.bytes += payload.length
    if (entry.size !== null && entry.bytes > entry.size) this.#wrong('more data come than the header says')
  }

  async #end(fields) {
    const entry = this.#entry
    if (!entry) return this.#wrong('E comes before a header')
    this.#entry = undefined
    const data = Buffer.concat(entry.pieces)
    const said = ['blake3', 'sha256'].filter((algorithm) => fields[algorithm] != null)
    if (fields.bytes !== data.length) this.#wrong(`E says ${shown(fields.bytes)} bytes, but ${data.length} have come`)
    if (entry.size !== null && data.length < entry.size) this.#wrong('less data come than the header says')
    // An entry that was refused as unverifiable comes again with what this receiver computes.
    if (!said.includes(this.#digest) && !said.includes(this.#role.digest))
      this.#wrong(`E has no ${this.#digest}, which its greeting announces`)
    for (const algorithm of said) {
      if (fields[algorithm] !== (await digestOf(algorithm, data))) this.#wrong(`the ${algorithm} in E is another`)
    }
    if (fields.header == null) this.#wrong('E has no digest of the header', true)
    else if (fields.header !== (await digestOf(said[0] ?? this.#digest, entry.payload)))
      this.#wrong('the digest of the header is another')
    if (this.#role.refuses) return
    const algorithm = this.#role.digest === 'sha256' || this.#digest === 'sha256' ? 'sha256' : 'blake3'
    const number = entry.number
    if (said.includes(algorithm)) {
      const name = JSON.parse(entry.payload)['!kind'] === 'message' ? '' : JSON.parse(entry.payload).name
      await this.#answer('S', { entry: number, name, bytes: data.length, [algorithm]: await digestOf(algorithm, data) })
      entry.stored = true
    } else await this.#answer('R', { entry: number, reason: 'unverifiable', message: `there is no ${algorithm} in E` })
  }

  #abort({ entry }) {
    if (entry === null) this.#over = true
    else if (entry !== this.#entry?.number) this.#wrong(`A is for entry ${shown(entry)}, which is not the current one`)
    this.#entry = undefined
  }

  async #finished({ entries }) {
    if (this.#entry) this.#wrong('F comes before the end of the entry')
    if (this.#greeting && this.#digest === 'blake3')
      this.#wrong('F comes before the greeting of the receiver could be read')
    if (entries !== this.#entries.length)
      this.#wrong(`F says ${shown(entries)} entries, but ${this.#entries.length} have come`)
    const { refuses } = this.#role
    if (!refuses && !this.#entries.some(({ stored }) => stored)) this.#wrong('no entry could be stored')
    this.#over = true
    await this.#greeting
  }

  async #answer(type, fields) {
    await this.#greeting
    this.#socket.write(frame(type, fields))
  }
}

function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0
}
