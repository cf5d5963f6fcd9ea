/** Peers that speak something else: each is called by its name where its first bytes tell it. */
import fc from 'fast-check'
import t from 'tap'
import { encode } from '../../dist/protocol/encode.js'
import { answeringSide, describeStranger, openingSide, STRANGER_LINE } from '../../dist/protocol/strangers.js'
import { isUnsafe } from '../../dist/text.js'
import { frameHeader, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

const known: [who: string, starts: string[]][] = [
  [
    'an HTTP client',
    [
      'GET / HT',
      'HEAD / H',
      'POST /x ',
      'PUT /x H',
      'DELETE /',
      'OPTIONS ',
      'CONNECT ',
      'PATCH /x',
      'TRACE / ',
      'PRI * HT',
    ],
  ],
  ['an HTTP server', ['HTTP/1.1', 'HTTP/2 2']],
  ['a TLS peer', ['\x15\x03\x03\x00\x02\x02\x28']],
  ['an SSH peer', ['SSH-2.0-', 'SSH-1.99']],
  ['a load balancer (see --proxy-from)', ['PROXY TC', '\r\n\r\n\0\r\nQ']],
  ['a sender, as this side is', ['tcp-send']],
  ['a receiver, as this side is', ['tcp-recv']],
  ['tcp-chat', ['tcp-chat']],
]

t.test('calls a peer by its name where its first bytes tell it', async (t) => {
  for (const [who, starts] of known) {
    for (const start of starts) {
      const text = describeStranger(Buffer.from(start, 'latin1'))
      t.ok(text.startsWith(`the other side is ${who} (its first bytes are "`), text)
      t.notOk(text.includes('--plain'), 'it would not help to take such bytes as a file')
    }
  }
})

t.test('says of a TLS client that only it has a key', async (t) => {
  for (const start of ['\x16\x03\x01\x02\x00\x01\x00\x01', '\x16\x03']) {
    const text = describeStranger(Buffer.from(start, 'latin1'))
    t.match(text, 'the other side has a key, and this side has none')
    t.match(text, '--key-file')
  }
})

t.test('says of any other that it does not know it, and what could be done', async (t) => {
  for (const start of [
    'hello wo',
    'G',
    'GETTING ',
    'HTTP',
    '\x16',
    '\x16\x02',
    '\x15\x02',
    'ssh-2.0-',
    'tcp-senD',
    'tcp-sen',
    ' GET / ',
  ]) {
    const text = describeStranger(Buffer.from(start, 'latin1'))
    t.match(text, /^the other side does not speak this protocol \(its first bytes are ".+"\); with --plain/)
  }
})

t.test('quotes any first bytes without harm', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const text = describeStranger(Buffer.alloc(8, byte))
    t.notOk(isUnsafe(text), `eight times ${byte}`)
    t.ok(text.length < 250)
  }
  t.match(
    describeStranger(Buffer.from('\x1b[2J\r\n\x9b\x00', 'latin1')),
    /"\\u\{1b\}\[2J\\u\{d\}\\u\{a\}\\u\{9b\}\\u\{0\}"/,
  )
})

const openings: [side: 'sender' | 'receiver', bytes: Buffer][] = [
  ['sender', senderOpening],
  ['sender', encode.senderOpening()],
  ['receiver', receiverOpening],
  ['receiver', encode.receiverOpening()],
]

t.test('knows a side of the protocol by its magic and the header of its greeting, and not before', async (t) => {
  for (const judge of [openingSide, answeringSide]) {
    for (const [side, bytes] of openings) {
      for (let length = 0; length < 13; length++)
        t.equal(judge(bytes.subarray(0, length)), undefined, `${length} bytes`)
      for (let length = 13; length <= bytes.length; length++) t.equal(judge(bytes.subarray(0, length)), side)
    }
  }
})

t.test('takes nothing else for one, also where it begins with the magic', async (t) => {
  const texts = ['x', 'tcx', 'tcp-senD', 'tcp-send is a program', 'tcp-recv: hello', 'TCP-SEND', 'tcp-sendg\0\0\0\x01{']
  const magic = Buffer.from('tcp-send')
  const headers = [frameHeader('H', 20), frameHeader('G', 0), frameHeader('G', 65_537), frameHeader('G', 0xffff_ffff)]
  const all = [...texts.map((text) => Buffer.from(text)), ...headers.map((header) => Buffer.concat([magic, header]))]
  for (const bytes of all) {
    t.equal(openingSide(bytes), null, bytes.toString('latin1'))
    t.equal(answeringSide(bytes), null)
  }
  for (const length of [1, 65_536]) t.equal(openingSide(Buffer.concat([magic, frameHeader('G', length)])), 'sender')
})

t.test('knows a side with a code by its role', async (t) => {
  const opening = (version: number, role: string) => Buffer.from(`tcp-code${String.fromCharCode(version)}${role}...`)
  for (const judge of [openingSide, answeringSide]) {
    for (let length = 0; length < 10; length++) t.equal(judge(opening(1, 's').subarray(0, length)), undefined)
    t.equal(judge(opening(1, 's')), 'sender')
    t.equal(judge(opening(1, 'r')), 'receiver')
    t.equal(judge(opening(1, 'c')), null, 'a talk')
    t.equal(judge(opening(2, 's')), null, 'another version')
    t.equal(judge(Buffer.from('tcp-codex')), undefined)
    t.equal(judge(Buffer.from('tcp-codex is a program')), null)
  }
})

t.test('knows the line that a receiver says to what is no sender, in an answer alone', async (t) => {
  const line = Buffer.from(STRANGER_LINE)
  const start = 'This is tcp-recv,'.length
  for (let length = 1; length < start; length++) t.equal(answeringSide(line.subarray(0, length)), undefined)
  for (let length = start; length <= line.length; length++) t.equal(answeringSide(line.subarray(0, length)), 'receiver')
  t.equal(openingSide(line), null)
  t.match(STRANGER_LINE, /^(?!tcp-)[ -~]+\n$/)
})

t.test('judges any bytes once and for all, with no more than the first few', async () => {
  const start = fc.constantFrom('', 'tcp-', 'tcp-send', 'tcp-sendG\0', 'tcp-recvG\0\0', 'This is tcp')
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 40 }), (begin, more) => {
      const bytes = Buffer.concat([Buffer.from(begin), more])
      return [openingSide, answeringSide].every((judge) => {
        const judged = Array.from({ length: bytes.length }, (_, length) => judge(bytes.subarray(0, length + 1)))
        const first = judged.findIndex((side) => side !== undefined)
        return first === -1
          ? bytes.length < 17
          : first < 17 && judged.slice(first).every((side) => side === judged[first])
      })
    }),
  )
})
