/** The options of the library: what makes no sense is wrong usage that names the option, before anything else is done. */
import { Readable, Writable } from 'node:stream'
import t from 'tap'
import {
  cleanPartial,
  list,
  listPartial,
  type ReceiveOptions,
  receive,
  type SendOptions,
  send,
  type TransferEvent,
} from '../dist/index.js'
import { checkOptions, optionChecks } from '../dist/option-checks.js'

/** Wrong values for each option, and what the message says of one of them. */
type Cases = Record<string, [value: unknown, message: string][]>

const NUMBERS = [Number.NaN, '1', null, {}]
const numbers = (name: string, values: number[], must: string): [unknown, string][] =>
  [...values, ...NUMBERS].map((value) => [value, `${name} must be ${must}, not ${said(value)}`])

function said(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`
  return Array.isArray(value) ? 'an array' : typeof value === 'object' && value !== null ? 'an object' : String(value)
}

const flags = (name: string): [unknown, string][] =>
  [1, 'yes', null].map((value) => [value, `${name} must be true or false, not ${said(value)}`])

const texts = (name: string): [unknown, string][] =>
  [1, null, ['x']].map((value) => [value, `${name} must be a string, not ${said(value)}`])

const functions = (name: string): [unknown, string][] =>
  [null, 'log', {}].map((value) => [value, `${name} must be a function, not ${said(value)}`])

const textLists = (name: string): [unknown, string][] => [
  ['x', `${name} must be an array, not "x"`],
  [['x', 5], `${name}[1] must be a string, not 5`],
]

const objects = 'a path, a file: URL, or an object with one of path, stream, bytes, fd, text'

const offer: Cases = {
  sources: [
    [[], 'sources is empty: there is nothing to send'],
    [undefined, 'sources is needed'],
    ['file.txt', 'sources must be an array, not "file.txt"'],
    [['a', 5], `sources[1] must be ${objects}, not 5`],
    [[null], `sources[0] must be ${objects}, not null`],
    [[Buffer.from('x')], `sources[0] must be ${objects}, not an object`],
    [[new URL('https://example.org/a')], `sources[0] must be ${objects}, not an object`],
    [[{ name: 'a' }], `sources[0] must be ${objects}, not an object`],
    [[{ path: 'a', fd: 0, name: 'a' }], `sources[0] must be ${objects}, not an object`],
    [[{ path: 'a' }], 'sources[0].name must be a string, not undefined'],
    [[{ path: 5, name: 'a' }], 'sources[0].path must be a path or a file: URL, not 5'],
    [[{ fd: -1, name: 'a' }], 'sources[0].fd must be a number from 0 to 2147483647, not -1'],
    [[{ fd: 0.5, name: 'a' }], 'sources[0].fd must be a whole number, not 0.5'],
    [[{ stream: 'a', name: 'a' }], 'sources[0].stream must be a stream, or an async iterable of bytes, not "a"'],
    [[{ stream: [], name: 'a' }], 'sources[0].stream must be a stream, or an async iterable of bytes, not an array'],
    [[{ bytes: 'text', name: 'a' }], 'sources[0].bytes must be a Buffer or Uint8Array, not "text"'],
    [[{ bytes: Buffer.from(''), name: 'a', label: 1 }], 'sources[0].label must be a string, not 1'],
    [[{ text: 5 }], 'sources[0].text must be a string or a stream, not 5'],
  ],
  plain: flags('plain'),
  expect: [
    [5, 'expect must be an object, not 5'],
    [{ size: -1 }, `expect.size must be a number from 0 to ${Number.MAX_SAFE_INTEGER}, not -1`],
    [{ size: 1.5 }, 'expect.size must be a whole number, not 1.5'],
    [{ blake3: 'A'.repeat(64) }, `expect.blake3 must be 64 lower-case hexadecimal digits, not "${'A'.repeat(39)}…"`],
  ],
  exclude: textLists('exclude'),
  gitignore: flags('gitignore'),
  follow: flags('follow'),
  signal: [[{}, 'signal must be an AbortSignal, not an object']],
  onEvent: functions('onEvent'),
}

const timers = (name: string, least: number): [unknown, string][] =>
  numbers(name, [least - 5, Number.POSITIVE_INFINITY, 2 ** 31], `a number from ${least} to 2147483647`)

const { plain = [], expect = [], signal = [], onEvent = [] } = offer

const both: Cases = {
  ...{ plain, expect, signal, onEvent },
  host: texts('host'),
  port: numbers('port', [-1, 65_536], 'a number from 0 to 65535'),
  sockets: [[[-1], 'sockets[0] must be a number from 0 to 2147483647, not -1']],
  key: [5, { name: 'a', key: 'b' }, ['secret'], [{ name: 'a' }], [{ key: 'secret' }], [null]].map((value) => [
    value,
    'key must be a key, an array of objects with a name and a key, or a function',
  ]),
  code: [5, null, ['secret']].map((value) => [value, 'code must be true, or four words']),
  limit: numbers('limit', [0, -1, 1023], 'a number of at least 1024'),
  retry: [...numbers('retry', [-1], 'a number of at least 0'), [1.5, 'retry must be a whole number, not 1.5']],
  streams: [
    ...[0, 65, -1, Number.NaN, Number.POSITIVE_INFINITY].map((value): [unknown, string] => [
      value,
      `streams must be a number from 1 to 64, not ${value}`,
    ]),
    [1.5, 'streams must be a whole number, not 1.5'],
    ['many', 'streams must be auto, or a number from 1 to 64, not "many"'],
    [null, 'streams must be auto, or a number from 1 to 64, not null'],
  ],
  stall: numbers('stall', [0, -5], 'a number of at least 1'),
  maxConnections: numbers('maxConnections', [0], 'a number of at least 1'),
  maxPerPeer: numbers('maxPerPeer', [0], 'a number of at least 1'),
  allowFrom: textLists('allowFrom'),
  proxyFrom: textLists('proxyFrom'),
  count: [...numbers('count', [0, -1], 'a number of at least 1'), [1.5, 'count must be a whole number, not 1.5']],
  oneAttempt: flags('oneAttempt'),
  wait: timers('wait', 0),
  timeout: timers('timeout', 1),
  allowUnverified: flags('allowUnverified'),
  fileEvents: flags('fileEvents'),
}

const out: [unknown, string][] = [
  [undefined, 'out is needed'],
  ['', 'out must be a folder or a writable stream, not ""'],
  [1, 'out must be a folder or a writable stream, not 1'],
  [Readable.from([]), 'out must be a folder or a writable stream, not an object'],
]

const cases: Record<keyof typeof optionChecks, Cases> = {
  send: {
    ...offer,
    ...both,
    listen: flags('listen'),
    compress: [['best', 'compress must be one of auto, always, never, not "best"']],
    delta: flags('delta'),
  },
  list: offer,
  receive: {
    ...both,
    connect: flags('connect'),
    out,
    compress: [['always', 'compress must be one of auto, never, not "always"']],
    name: texts('name'),
    textOnly: flags('textOnly'),
    perKeyFolder: flags('perKeyFolder'),
    keepPartial: numbers('keepPartial', [-1], 'a number of at least 0'),
    ifExists: ['replace', null, 1].map((value) => [
      value,
      `ifExists must be one of backup, overwrite, skip, fail, reuse, not ${said(value)}`,
    ]),
    allowHidden: flags('allowHidden'),
    accept: [
      ['text/plain', 'accept must be an array, not "text/plain"'],
      [['text'], 'accept[0] must be a MIME type or a pattern such as image/*, not "text"'],
    ],
    maxSize: numbers('maxSize', [-1], 'a number of at least 0'),
    maxFiles: numbers('maxFiles', [0], 'a number of at least 1'),
    maxDepth: numbers('maxDepth', [0], 'a number of at least 1'),
    afterStored: functions('afterStored'),
  },
  partial: {
    out: [
      [undefined, 'out is needed'],
      ['', 'out must be a folder, not ""'],
      [new Writable(), 'out must be a folder, not an object'],
    ],
    onEvent,
  },
}

/** The calls that have these options, each with what they need. */
const calls: Record<keyof typeof optionChecks, ((options: object) => Promise<unknown>)[]> = {
  send: [(options) => send({ sources: [{ text: 'x' }], port: 1, ...options } as SendOptions)],
  list: [(options) => list({ sources: [{ text: 'x' }], ...options })],
  receive: [(options) => receive({ out: 'nowhere/at/all', port: 0, ...options } as ReceiveOptions)],
  partial: [listPartial, cleanPartial].map((call) => (options) => call({ out: 'nowhere/at/all', ...options })),
}

for (const name of Object.keys(cases) as (keyof typeof cases)[]) {
  t.test(`${name}: every option is checked, and the error names it`, async (t) => {
    t.strictSame(Object.keys(cases[name]).sort(), Object.keys(optionChecks[name]).sort(), 'every option has its cases')
    for (const [option, wrong] of Object.entries(cases[name])) {
      for (const [value, message] of wrong) {
        for (const call of calls[name]) {
          const events: TransferEvent[] = []
          const onEvent = (event: TransferEvent) => events.push(event)
          await t.rejects(call({ onEvent, [option]: value }), { name: 'TransferError', code: 'usage', message })
          const told = [
            { event: 'failed', transfer: 0, code: 'usage', reason: 'usage', message },
            { event: 'done', files: 0, bytes: 0, seconds: Number, exitCode: 2 },
          ]
          t.match(events, option === 'onEvent' ? [] : told, message)
          t.equal(events.length, option === 'onEvent' ? 0 : 2)
        }
      }
    }
  })
}

t.test('options that are no object are wrong usage', async (t) => {
  for (const options of [undefined, null, 'file.txt'] as unknown[]) {
    for (const call of [send, list, receive, listPartial, cleanPartial] as ((options: unknown) => Promise<unknown>)[])
      await t.rejects(call(options), { code: 'usage', message: `options must be an object, not ${said(options)}` })
  }
})

t.test('takes every value that makes sense, and undefined for what may be left out', async (t) => {
  const right: Record<string, unknown[]> = {
    sources: [
      ['a', new URL('file:///a'), { path: 'a', name: 'b' }, { path: new URL('file:///a'), name: 'b' }],
      [
        { stream: Readable.from([]), name: 'a' },
        { stream: (async function* () {})(), name: 'a', label: 'b' },
      ],
      [
        { stream: new Blob(['x']).stream(), name: 'a' },
        { bytes: new Uint8Array(1), name: 'a' },
        { fd: 0, name: 'a' },
      ],
      [{ text: '' }, { text: Readable.from([]) }],
    ],
    out: ['dir', new Writable(), { write() {} }],
    expect: [{}, { size: 0, blake3: '0'.repeat(64) }, { size: undefined }],
    signal: [new AbortController().signal],
    port: [0, 65_535],
    sockets: [[], [3, 4]],
    key: ['key', [{ name: 'a', key: 'b' }], () => 'key'],
    limit: [1024, 1e9, Number.POSITIVE_INFINITY],
    retry: [0, 5, Number.POSITIVE_INFINITY],
    streams: ['auto', 1, 64],
    stall: [1, Number.POSITIVE_INFINITY],
    maxConnections: [1, Number.POSITIVE_INFINITY],
    maxPerPeer: [1, Number.POSITIVE_INFINITY],
    count: [1, Number.POSITIVE_INFINITY],
    wait: [0, 0.5, 2 ** 31 - 1],
    timeout: [1, 2 ** 31 - 1],
    compress: ['auto', 'never'],
    ifExists: ['backup', 'overwrite', 'skip', 'fail', 'reuse'],
    keepPartial: [0, 0.5, Number.POSITIVE_INFINITY],
    accept: [[], ['image/*', 'text/plain']],
    maxSize: [0, Number.POSITIVE_INFINITY],
    maxFiles: [1, Number.POSITIVE_INFINITY],
    maxDepth: [1, Number.POSITIVE_INFINITY],
  }
  for (const call of ['send', 'receive'] as const) {
    const needed = { sources: ['a'], out: 'dir' }
    for (const option of Object.keys(optionChecks[call])) {
      const values = right[option] ?? []
      const optional = option in needed ? [] : [undefined]
      for (const value of [...values, ...optional])
        t.doesNotThrow(() => checkOptions(call, { ...needed, [option]: value }), `${option}: ${value}`)
    }
  }
})
