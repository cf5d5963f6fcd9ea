import fc from 'fast-check'
import t from 'tap'
import {
  describeEvent,
  describePartial,
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatFiles,
  formatThroughput,
} from '../../dist/cli/format.js'
import type { TransferEvent } from '../../dist/events.js'
import { isUnsafe } from '../../dist/text.js'

t.test('shows bytes with three digits and a decimal unit', async (t) => {
  const table: [bytes: number, text: string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1024, '1.02 kB'],
    [9994, '9.99 kB'],
    [9995, '10.0 kB'],
    [99_949, '99.9 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [2_660_000_000, '2.66 GB'],
    [1e12, '1.00 TB'],
    [Number.MAX_SAFE_INTEGER, '9.01 PB'],
  ]
  for (const [bytes, text] of table) t.equal(formatBytes(bytes), text)
})

t.test('shows any number of bytes with three digits, and within half a unit of the last', async () => {
  const factors: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      const [, number = '', unit = ''] = /^(\d{1,3}|\d\.\d\d|\d\d\.\d) ([kMGTP]?B)$/.exec(formatBytes(bytes)) ?? []
      const shown = Number(number) * (factors[unit] ?? Number.NaN)
      return Math.abs(shown - bytes) <= Math.max(0.0051 * bytes, 0.5)
    }),
  )
})

t.test('separates the digits of a large number', async (t) => {
  const table: [count: number, text: string][] = [
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [123_456, '123,456'],
    [1_234_567, '1,234,567'],
  ]
  for (const [count, text] of table) t.equal(formatCount(count), text)
  t.equal(formatFiles(1), '1 file')
  t.equal(formatFiles(1000), '1,000 files')
})

t.test('shows seconds as a clock does', async (t) => {
  const table: [seconds: number, text: string][] = [
    [-1, '0:00'],
    [0, '0:00'],
    [0.4, '0:00'],
    [59.5, '1:00'],
    [61, '1:01'],
    [3599, '59:59'],
    [3600, '1:00:00'],
    [360_061, '100:01:01'],
  ]
  for (const [seconds, text] of table) t.equal(formatDuration(seconds), text)
})

t.test('shows how old something is in its largest unit', async (t) => {
  const table: [seconds: number, text: string][] = [
    [0, '0 seconds'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, '1 minute'],
    [3599, '59 minutes'],
    [7200, '2 hours'],
    [86_399, '23 hours'],
    [86_400, '1 day'],
    [604_800, '7 days'],
  ]
  for (const [seconds, text] of table) t.equal(formatAge(seconds), text)
})

t.test('counts for the speed only what was moved, and says how much was there before', async (t) => {
  t.equal(formatThroughput(3_000_000, 2, 1_000_000), '3.00 MB, of which 1.00 MB was there before, in 2.00 s, 1.00 MB/s')
  t.equal(formatThroughput(3_000_000, 2), '3.00 MB in 2.00 s, 1.50 MB/s')
  t.equal(formatThroughput(3_000_000, 2, 3_000_000), '3.00 MB, of which 3.00 MB was there before, in 2.00 s')
})

t.test('says what the bytes were on the wire', async (t) => {
  t.equal(formatThroughput(3_000_000, 2, 0, 600_000), '3.00 MB in 2.00 s, 1.50 MB/s, 600 kB on the wire')
  const [before, moved] = ['3.00 MB, of which 1.00 MB was there before, in 2.00 s', '1.00 MB/s, 600 kB on the wire']
  t.equal(formatThroughput(3_000_000, 2, 1_000_000, 600_000), `${before}, ${moved}`)
})

t.test('says what is kept, how much of how much, how old it is and whose', async (t) => {
  const facts = { bytes: 1_200_000_000, path: 'dir/.tcp-recv/kept/1/content', seconds: 10_800 }
  const file = { event: 'partial', name: 'big.iso', kind: 'file', size: 2_660_000_000, ...facts } as const
  const line = 'big.iso: 1.20 GB of 2.66 GB, 3 hours old'
  t.equal(describePartial(file), line)
  t.equal(describePartial({ ...file, key: 'alice' }), `${line}, key alice`)
  t.equal(
    describePartial({ ...file, name: 'project', kind: 'directory', size: null }),
    'project/: 1.20 GB, 3 hours old',
  )
  t.notOk(isUnsafe(describePartial({ ...file, name: 'a\n\u001b[2J', key: '\u001b' })))
})

const blake3 = 'ab'.repeat(32)

/** One event of each kind, and the line that a person sees for it. */
const table: [event: TransferEvent, line: string | null][] = [
  [{ event: 'listening', address: '127.0.0.1', port: 9000 }, 'listening on 127.0.0.1:9000'],
  [{ event: 'listening', address: '::1', port: 9000 }, 'listening on [::1]:9000'],
  [
    { event: 'listening', address: '::', port: 9000 },
    'listening on [::]:9000; whoever can reach this port can send, and nothing is encrypted',
  ],
  [{ event: 'waiting', for: 'sender', seconds: 30, message: 'waiting up to 30 seconds' }, 'waiting up to 30 seconds'],
  [{ event: 'connected', transfer: 1, peer: '127.0.0.1:5' }, null],
  [{ event: 'progress', transfer: 1, name: 'a', bytes: 1, size: 2 }, null],
  [
    {
      event: 'stored',
      transfer: 1,
      peer: '127.0.0.1:5',
      name: 'a.txt',
      path: 'dir/a_bak.txt',
      size: 1500,
      blake3,
      type: 'text/plain',
      verified: true,
      seconds: 0.05,
    },
    'stored dir/a_bak.txt, 1.50 kB in 0.05 s, blake3 abababab…',
  ],
  [
    {
      ...{ event: 'stored', transfer: 1, peer: '127.0.0.1:5', name: 'a.txt', path: 'dir/a.txt', size: 1500 },
      ...{ blake3, type: 'text/plain', verified: true, reused: true, seconds: 0.05 },
    },
    'has dir/a.txt already, 1.50 kB in 0.05 s, blake3 abababab…',
  ],
  [
    {
      ...{ event: 'sent', transfer: 1, path: 'a.txt', name: 'a.txt', storedAs: 'a.txt', size: 1500 },
      ...{ blake3, type: 'text/plain', verified: true, reused: true, seconds: 0.05 },
    },
    'sent a.txt, 1.50 kB in 0.05 s, blake3 abababab… (the receiver had it already)',
  ],
  [
    {
      event: 'sent',
      transfer: 1,
      path: 'dir/a.txt',
      name: 'a.txt',
      storedAs: 'a_bak.txt',
      size: 2_000_000,
      blake3,
      type: 'text/plain',
      verified: true,
      seconds: 2,
    },
    'sent dir/a.txt as a_bak.txt, 2.00 MB in 2.00 s, 1.00 MB/s, blake3 abababab…',
  ],
  [
    {
      event: 'failed',
      transfer: 1,
      name: '',
      code: 'local-file',
      reason: 'disk',
      message: 'cannot read "": no such file',
    },
    'failed: cannot read "": no such file',
  ],
  [
    {
      event: 'refused',
      transfer: 1,
      peer: '127.0.0.1:5',
      name: '',
      code: 'refused',
      reason: 'name',
      message: 'the name "" is refused',
    },
    'refused from 127.0.0.1:5: the name "" is refused',
  ],
  [{ event: 'warning', reason: 'no-permissions', message: 'mind\x07' }, 'warning: mind\\u{7}'],
  [
    {
      event: 'refused',
      transfer: 1,
      peer: '127.0.0.1:5',
      name: 'a.txt',
      code: 'refused',
      reason: 'exists',
      message: 'it has it already',
    },
    'refused a.txt from 127.0.0.1:5: it has it already',
  ],
  [
    {
      event: 'refused',
      transfer: 1,
      peer: '127.0.0.1:5',
      code: 'refused',
      reason: 'magic',
      message: 'expected another greeting',
    },
    'refused from 127.0.0.1:5: expected another greeting',
  ],
  [
    {
      event: 'failed',
      transfer: 1,
      name: 'a.txt',
      code: 'incomplete',
      reason: 'broken',
      message: 'the end is missing',
    },
    'failed a.txt: the end is missing',
  ],
  [
    {
      event: 'failed',
      transfer: 1,
      name: 'a.txt',
      code: 'local-file',
      reason: 'disk',
      message: 'cannot read dir/a.txt',
    },
    'failed: cannot read dir/a.txt',
  ],
  [
    { event: 'failed', transfer: 0, code: 'connect', reason: 'connect', message: 'cannot connect' },
    'failed: cannot connect',
  ],
  [
    {
      ...{ event: 'failed', transfer: 1, name: 'd', code: 'incomplete', reason: 'aborted' },
      ...{ message: 'the sender gave up: no', kept: 'out\u202e/.tcp-recv/kept/1/content/' },
    },
    'failed d: the sender gave up: no; what came whole is kept in out\\u{202e}/.tcp-recv/kept/1/content/, and the rest comes when it is sent again',
  ],
  [
    {
      ...{ event: 'failed', transfer: 1, name: 'd', code: 'interrupted', reason: 'interrupted' },
      ...{ message: 'interrupted by SIGINT', kept: 'out/.tcp-recv/kept/1/content/' },
    },
    'interrupted by SIGINT; what came whole is kept in out/.tcp-recv/kept/1/content/, and the rest comes when it is sent again',
  ],
  [
    {
      ...{ event: 'failed', transfer: 1, name: 'a.iso', code: 'incomplete', reason: 'broken' },
      ...{ message: 'the connection broke', kept: 'out/.tcp-recv/kept/1/content' },
    },
    'failed a.iso: the connection broke; what came is kept, and it goes on there when it is sent again',
  ],
  [
    {
      event: 'partial',
      ...{ name: 'a.iso', kind: 'file', bytes: 1, size: 2, path: 'out/.tcp-recv/kept/1/content', seconds: 1 },
    },
    null,
  ],
  [
    { event: 'warning', reason: 'changed', message: 'a.iso has changed since a part of it was sent' },
    'warning: a.iso has changed since a part of it was sent',
  ],
  [
    {
      event: 'stored',
      ...{ transfer: 1, peer: '127.0.0.1:5', name: 'a.iso', path: 'dir/a.iso', size: 3_000_000, resumed: 1_000_000 },
      ...{ blake3, type: 'text/plain', verified: true, seconds: 2 },
    },
    'stored dir/a.iso, 3.00 MB, of which 1.00 MB was there before, in 2.00 s, 1.00 MB/s, blake3 abababab…',
  ],
  [
    {
      event: 'sent',
      ...{ transfer: 1, name: 'a.iso', path: 'a.iso', storedAs: 'a.iso', size: 3_000_000, resumed: 1_000_000 },
      ...{ blake3, type: 'text/plain', verified: true, seconds: 2 },
    },
    'sent a.iso, 3.00 MB, of which 1.00 MB was there before, in 2.00 s, 1.00 MB/s, blake3 abababab…',
  ],
  [
    { event: 'failed', transfer: 0, code: 'interrupted', reason: 'interrupted', message: 'interrupted by SIGINT' },
    'interrupted by SIGINT',
  ],
  [
    {
      event: 'failed',
      transfer: 1,
      name: 'a',
      code: 'terminated',
      reason: 'interrupted',
      message: 'terminated by SIGTERM',
    },
    'terminated by SIGTERM',
  ],
  [{ event: 'done', files: 1, bytes: 2, seconds: 3, exitCode: 0 }, null],
]

t.test('describes every event in one line', async (t) => {
  for (const [event, line] of table) t.equal(describeEvent(event, 'send'), line, JSON.stringify(event))
})

t.test('shows a directory with its files, and a part that was left out as no failure', async (t) => {
  const facts = { transfer: 1, name: 'd', size: 1500, blake3, type: 'inode/directory', verified: true, seconds: 0.5 }
  const stored = { event: 'stored', peer: '127.0.0.1:5', path: 'dir/d', files: 1234, ...facts } as const
  const sent = { event: 'sent', path: 'd/', storedAs: 'd', files: 1, ...facts } as const
  const lines: [event: TransferEvent, line: string, verbose?: string][] = [
    [stored, 'stored dir/d/ (1,234 files), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
    [
      { ...stored, path: '-' },
      'stored d/ as a tar archive (1,234 files), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…',
    ],
    [sent, 'sent d/ (1 file), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
    [{ ...sent, storedAs: 'd_bak' }, 'sent d/ as d_bak/ (1 file), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
    [{ ...sent, storedAs: '-' }, 'sent d/ as - (1 file), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
    [{ ...sent, path: '.' }, 'sent ./ as d/ (1 file), 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
    [{ ...stored, path: '-', files: undefined } as never, 'stored -, 1.50 kB in 0.50 s, 3.00 kB/s, blake3 abababab…'],
  ]
  for (const [event, line] of lines) t.equal(describeEvent(event, 'send'), line)
  t.equal(
    describeEvent({ ...sent, storedAs: 'd_bak' }, 'send', true),
    `sent d/ (1 file) (inode/directory, 1.50 kB in 0.50 s, 3.00 kB/s) as d_bak/, blake3 ${blake3}`,
  )
  const message = 'd/x is left out: it is no file'
  const leftOut = { event: 'failed', transfer: 1, name: 'd/x', directory: 'd', code: 'local-file' } as const
  t.equal(describeEvent({ ...leftOut, reason: 'left-out', message }, 'send'), message)
})

t.test('tells all that is known of a file where that is wanted', async (t) => {
  const lines = table.map(([event]) => describeEvent(event, 'send', true))
  t.same(
    lines.filter((line) => line?.includes('blake3')),
    [
      `stored dir/a_bak.txt (text/plain, 1.50 kB in 0.05 s) from 127.0.0.1:5, blake3 ${blake3}`,
      `has dir/a.txt already (text/plain, 1.50 kB in 0.05 s) from 127.0.0.1:5, blake3 ${blake3}`,
      `sent a.txt (text/plain, 1.50 kB in 0.05 s) as a.txt, blake3 ${blake3} (the receiver had it already)`,
      `sent dir/a.txt (text/plain, 2.00 MB in 2.00 s, 1.00 MB/s) as a_bak.txt, blake3 ${blake3}`,
      `stored dir/a.iso (text/plain, 3.00 MB, of which 1.00 MB was there before, in 2.00 s, 1.00 MB/s) from 127.0.0.1:5, blake3 ${blake3}`,
      `sent a.iso (text/plain, 3.00 MB, of which 1.00 MB was there before, in 2.00 s, 1.00 MB/s) as a.iso, blake3 ${blake3}`,
    ],
  )
})

t.test('names what a file was stored as only where it is another name', async (t) => {
  const facts = { transfer: 1, size: 2, blake3, type: 'text/plain', verified: true, seconds: 0.2 }
  const cases: [path: string, name: string, storedAs: string, what: string][] = [
    ['dir/a.txt', 'a.txt', 'a.txt', 'dir/a.txt'],
    ['dir/out.tmp', 'report.pdf', 'report.pdf', 'dir/out.tmp as report.pdf'],
    ['-', 'db.sql', 'db.sql', 'db.sql'],
    ['-', 'db.sql', 'db_bak.sql', 'db.sql as db_bak.sql'],
    ['dir/a.txt', 'a.txt', '', 'dir/a.txt'],
  ]
  for (const [path, name, storedAs, what] of cases) {
    const line = describeEvent({ event: 'sent', path, name, storedAs, ...facts }, 'send')
    t.equal(line, `sent ${what}, 2 B in 0.20 s, blake3 abababab…`, 'and a few bytes have no rate')
  }
})

t.test('says what a stranger at an open port can do', async (t) => {
  const line = describeEvent({ event: 'listening', address: '0.0.0.0', port: 9 }, 'receive')
  t.equal(line, 'listening on 0.0.0.0:9; whoever can reach this port can receive, and nothing is encrypted')
})

t.test('says whose keys open a port, and whose key a file came with', async (t) => {
  const listening = { event: 'listening', address: '0.0.0.0', port: 9 } as const
  t.equal(
    describeEvent({ ...listening, keys: 1, fingerprint: '1a2b 3c4d' }, 'send'),
    'listening on 0.0.0.0:9; only peers with its key (1a2b 3c4d) can send',
  )
  t.equal(
    describeEvent({ ...listening, keys: 3 }, 'send'),
    'listening on 0.0.0.0:9; only peers with one of its 3 keys can send',
  )
  const facts = { transfer: 1, name: 'a', size: 2, blake3, type: 'text/plain', verified: true, seconds: 0 }
  t.equal(
    describeEvent({ event: 'stored', path: 'dir/a', peer: '127.0.0.1:5', key: 'alice', ...facts }, 'send', true),
    `stored dir/a (text/plain, 2 B in 0.00 s) from 127.0.0.1:5 (alice), blake3 ${blake3}`,
  )
})

t.test('names what was sent from a stream, and says what nobody has confirmed', async (t) => {
  const facts = { transfer: 1, name: 'db.sql', size: 2, blake3, type: 'text/plain', verified: false, seconds: 0 }
  t.equal(
    describeEvent({ event: 'sent', path: '-', storedAs: '', ...facts }, 'send'),
    `sent db.sql, 2 B in 0.00 s, blake3 ${blake3}, NOT VERIFIED`,
  )
  t.equal(
    describeEvent({ event: 'stored', path: 'dir/db.sql', peer: '127.0.0.1:5', ...facts }, 'send'),
    `stored dir/db.sql, 2 B in 0.00 s, blake3 ${blake3}, NOT VERIFIED`,
  )
})

t.test('names the file of a failure even where its name is part of another word', async (t) => {
  const event = {
    event: 'failed',
    transfer: 1,
    code: 'incomplete',
    reason: 'broken',
    message: 'the end is missing',
  } as const
  t.equal(describeEvent({ ...event, name: 'e' }, 'send'), 'failed e: the end is missing')
})

t.test('shows no character that could lie, wherever in an event it stands', async (t) => {
  const hostile = 'a\u001b[2J\u001b]52;c;aGk=\u0007\r\nb\u0085\u009b\u2028\u202ecod.exe\u2066\u007f\ud800'
  for (const [event, line] of table) {
    // What a signal is called is no stranger's word.
    if (line === null || ('code' in event && ['interrupted', 'terminated'].includes(event.code))) continue
    for (const field of ['name', 'path', 'storedAs', 'message'].filter((field) => field in event)) {
      const described = describeEvent({ ...event, [field]: hostile } as TransferEvent, 'send')
      t.notOk(isUnsafe(described ?? ''), `the ${field} of ${event.event}`)
    }
  }
})

t.test('shortens a name that would fill the screen', async (t) => {
  const name = 'n'.repeat(60_000)
  const event = {
    event: 'refused',
    transfer: 1,
    peer: '127.0.0.1:5',
    name,
    code: 'refused',
    reason: 'name',
    message: name,
  } as const
  const line = describeEvent(event, 'send')
  t.ok(line !== null && line.length < 600)
  t.match(line, '…')
})

t.test('names a file once, also where its name is found in another word before', async (t) => {
  const event = { event: 'failed', transfer: 1, name: 'a', code: 'local-file', reason: 'disk' } as const
  const lines: [message: string, line: string][] = [
    ['cannot read a: no such file', 'failed: cannot read a: no such file'],
    ['a: the receiver refused it', 'failed: a: the receiver refused it'],
    ["cannot read 'dir/a'", "failed: cannot read 'dir/a'"],
    ['cannot read ab: no such file', 'failed a: cannot read ab: no such file'],
  ]
  for (const [message, line] of lines) t.equal(describeEvent({ ...event, message }, 'send'), line)
  const empty = { ...event, name: '', message: 'cannot read an empty path' }
  t.equal(describeEvent(empty, 'send'), 'failed: cannot read an empty path')
})
