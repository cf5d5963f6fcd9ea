/** What both checks need of the protocol, written from src/protocol/README.md and not from the code it checks. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { blake3 } from 'hash-wasm'

export const DATA_LIMIT = 1_048_576
export const CONTROL_LIMIT = 65_536

export async function digestOf(algorithm, bytes) {
  return algorithm === 'sha256' ? createHash('sha256').update(bytes).digest('hex') : await blake3(bytes)
}

/** One frame: the payload is bytes, or an object that becomes JSON. */
export function frame(type, payload = {}) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload))
  return Buffer.concat([head(type, bytes.length), bytes])
}

/** The first five bytes of a frame, for one whose payload never comes. */
export function head(type, length) {
  const bytes = Buffer.alloc(5)
  bytes.write(type, 'latin1')
  bytes.writeUInt32BE(length, 1)
  return bytes
}

/** Takes what is complete of `bytes`: the frames, and the bytes that are left. Throws what is wrong with a frame. */
export function framesIn(bytes) {
  const frames = []
  let at = 0
  while (bytes.length - at >= 5) {
    const type = String.fromCharCode(bytes[at])
    const length = bytes.readUInt32BE(at + 1)
    const isData = type === 'D' || type === 'Z'
    if (!/[A-Za-z]/.test(type)) throw new Error(`a frame has the type 0x${bytes[at].toString(16)}`)
    if (length === 0 || length > (isData ? DATA_LIMIT : CONTROL_LIMIT)) throw new Error(`${type} has ${length} bytes`)
    if (bytes.length - at - 5 < length) break
    const payload = bytes.subarray(at + 5, at + 5 + length)
    frames.push({ type, payload, fields: isData ? {} : objectIn(type, payload) })
    at += 5 + length
  }
  return { frames, rest: bytes.subarray(at) }
}

function objectIn(type, payload) {
  if (/[a-z]/.test(type)) return {}
  let value
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload))
  } catch {
    throw new Error(`the payload of ${type} is no JSON in UTF-8`)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error(`${type} is no JSON object`)
  return value
}

/** What one side says in a golden transcript. */
export function saidIn(transcript, side) {
  const text = readFileSync(new URL(`../../fixtures/transcripts/${transcript}.hex`, import.meta.url), 'utf8')
  let speaker = ''
  let digits = ''
  for (const line of text.split('\n').map((line) => line.replace(/#.*/, '').trim())) {
    if (line.endsWith(':')) speaker = line
    else if (speaker === `${side}:`) digits += line.replaceAll(' ', '')
  }
  return Buffer.from(digits, 'hex')
}

/** A peer's text, for a terminal. */
export function shown(text) {
  return JSON.stringify(String(text).slice(0, 200)).replace(/[^ -~]/gu, '?')
}
