/**
 * The peers of `npm run soak:flood`, all in this one process: node bench/flooders.js PORT [KEY-FILE]. Each message over
 * the channel to the parent process (`{ kind, count }`) starts some, and `{ stop: true }` ends all. The answer is
 * `{ ready: kind }` when they are about to begin.
 *
 * What costs a flooder work, such as what TLS says with a wrong key, is made before it begins, and this process gives way
 * to others. For these peers stand for other machines: their own work must not be what slows a transfer down.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { constants, setPriority } from 'node:os'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { keysOf, parseKeyFile } from '../dist/keys.js'

const [port, keyFile] = [Number(process.argv[2]), process.argv[3]]
const key = keyFile === undefined ? undefined : keysOf(parseKeyFile(keyFile, readFileSync(keyFile, 'utf8')))[0]
const BLOCK = 256 * 1024

setPriority(constants.priority.PRIORITY_LOW)

/** @param {string} type @param {Buffer | string | object} payload */
function frame(type, payload) {
  const isObject = typeof payload === 'object' && !Buffer.isBuffer(payload)
  const bytes = Buffer.from(isObject ? JSON.stringify(payload) : payload)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** As many of these frames as fit into a block. @param {Buffer} one */
function block(one) {
  return Buffer.concat(Array(Math.ceil(BLOCK / one.length)).fill(one))
}

const opening = Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1 })])
const header = Buffer.concat([opening, frame('H', { name: 'flood', size: null })])
const keys = Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, 1]))

/** What each peer without a key sends first, and then without pause. @type {Record<string, [Buffer, Buffer]>} */
const floods = {
  heartbeats: [header, block(frame('B', '{}'))],
  'frames of one byte': [header, block(frame('x', '1'))],
  'nested JSON': [opening, block(frame('B', `{"a":${'['.repeat(32_000)}${']'.repeat(32_000)}}`))],
  '6,000 keys in a header': [opening, block(frame('H', { name: 'flood', size: null, ...keys }))],
}

const sockets = new Set()
let isOver = false

/** One more connection. `begin` is called when it is there, `end` when it has gone. */
function dial(begin, end = () => {}) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  sockets.add(socket)
  socket.on('error', () => {})
  socket.once('connect', () => begin(socket))
  socket.once('close', () => {
    sockets.delete(socket)
    if (!isOver) end()
  })
  return socket.resume()
}

/** Says nothing. Comes again when it is disconnected. */
function silent() {
  dial(
    () => {},
    () => setTimeout(silent, 10),
  )
}

/** Sends without pause. Comes again when it is disconnected, if it `returns`. */
function flood(first, again, returns) {
  const begin = (socket) => {
    socket.write(first)
    const more = () => {
      if (!socket.destroyed && socket.writable) socket.write(again, more)
    }
    more()
  }
  dial(begin, () => {
    if (returns) flood(first, again, returns)
  })
}

/**
 * The first message of TLS with a key that is wrong. Every other one uses the identifier of the right key, which
 * everybody on the way can see: then only the proof is wrong.
 */
function wrongHello(index) {
  const id = index % 2 === 0 || !key ? randomBytes(16).toString('hex') : key.id
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(bytes, _encoding, done) {
        done()
        resolve(bytes)
      },
    })
    const options = { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }
    const pskCallback = () => ({ psk: randomBytes(32), identity: `tcp-transfer/1 sender ${id}` })
    connectTls({ socket: wire, pskCallback, ...options }).on('error', () => {})
  })
}

/** Begins like TLS, and says no more. */
function half() {
  dial(
    (socket) => socket.write(Buffer.from([0x16, 3, 1, 1, 0, 1])),
    () => setTimeout(half, 10),
  )
}

/** Proves the key, and sends heartbeats without pause. */
function keyed() {
  dial((socket) => {
    const options = { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }
    const pskCallback = () => ({ psk: key.psk('sender'), identity: `tcp-transfer/1 sender ${key.id}` })
    const tls = connectTls({ socket, pskCallback, ...options, checkServerIdentity: () => new Error() })
    const [first, again] = floods.heartbeats
    const more = () => {
      if (!tls.destroyed && tls.writable) tls.write(again, more)
    }
    tls.on('error', () => {}).once('secureConnect', () => tls.write(first, more))
    tls.resume()
  })
}

/** Makes what `count` peers of a kind need. Returns what starts one of them. */
async function prepare(kind, count, returns) {
  if (kind === 'silent') return silent
  if (kind === 'half a word of TLS') return half
  if (kind === 'keyed heartbeats') return keyed
  if (kind !== 'wrong keys') return () => flood(...floods[kind], returns)
  const hellos = []
  for (let index = 0; index < count; index++) hellos.push(await wrongHello(index))
  return (index) => dial((socket) => socket.write(hellos[index]))
}

const prepared = new Map()
process.on('message', async ({ kind, count, returns = false, stop, begin }) => {
  if (stop) {
    isOver = true
    for (const socket of sockets) socket.destroy()
    process.disconnect()
  } else if (begin) {
    for (const [start, number] of prepared.values()) for (let index = 0; index < number; index++) start(index)
    prepared.clear()
  } else {
    prepared.set(kind, [await prepare(kind, count, returns), count])
    process.send({ ready: kind })
  }
})
