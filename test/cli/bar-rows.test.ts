import fc from 'fast-check'
import stringWidth from 'string-width'
import t from 'tap'
import { barRows, fitText, treeRow } from '../../dist/cli/bar-rows.js'
import type { FileProgress } from '../../dist/cli/progress.js'

t.test('cuts text to a width in columns', async (t) => {
  const table: [text: string, width: number, result: string][] = [
    ['file.txt', 8, 'file.txt'],
    ['file.txt', 7, 'file.t…'],
    ['文件名称', 8, '文件名称'],
    ['文件名称', 7, '文件名…'],
    ['文件名称', 6, '文件…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3, '👩‍👩‍👧‍👦…'],
    ['abc', 1, '…'],
  ]
  for (const [text, width, result] of table) t.equal(fitText(text, width), result)
})

t.test('never exceeds the width, and keeps what fits', async () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('文', '👩‍👩‍👧‍👦', 'e\u0301', 'ﬃ', '🇩🇪'), fc.string({ unit: 'grapheme' })),
  })
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 30 }), (text, width) => {
      const fitted = fitText(text, width)
      return stringWidth(fitted) <= width && (fitted === text || fitted.endsWith('…'))
    }),
  )
})

const iso: FileProgress = {
  name: 'debian.iso',
  bytes: 450_000_000,
  size: 1e9,
  rate: 98_300_000,
  secondsLeft: 5.6,
  tree: null,
}
const build: FileProgress = {
  name: 'release-build-x86_64-linux-gnu.tar.gz',
  bytes: 3000,
  size: 4000,
  rate: 999,
  secondsLeft: 3725,
  tree: null,
}
const dump: FileProgress = {
  name: 'db.sql',
  bytes: 1_200_000,
  size: null,
  rate: 300_000,
  secondsLeft: null,
  tree: null,
}
const stuck: FileProgress = { name: 'stuck', bytes: 0, size: 1000, rate: 0, secondsLeft: null, tree: null }

t.test('aligns what is known of all files, and leaves out what does not fit', async (t) => {
  const table: [columns: number, rows: string[]][] = [
    [
      200,
      [
        'debian.iso                             [=================                     ]   45 %   450 MB/1.00 GB  98.3 MB/s     0:06',
        'release-build-x86_64-linux-gnu.tar.gz  [============================          ]   75 %  3.00 kB/4.00 kB    999 B/s  1:02:05',
        'db.sql                                                                                     1.20 MB of ?   300 kB/s',
        'stuck                                  [                                      ]    0 %      0 B/1.00 kB      0 B/s',
      ],
    ],
    [
      80,
      [
        'debian.iso                            45 %   450 MB/1.00 GB  98.3 MB/s     0:06',
        'release-build-x86_64-linux-gnu.tar…   75 %  3.00 kB/4.00 kB    999 B/s  1:02:05',
        'db.sql                                         1.20 MB of ?   300 kB/s',
        'stuck                                  0 %      0 B/1.00 kB      0 B/s',
      ],
    ],
    [
      50,
      [
        'debian.iso               45 %  98.3 MB/s     0:06',
        'release-build-x86_6…     75 %    999 B/s  1:02:05',
        'db.sql                1.20 MB   300 kB/s',
        'stuck                     0 %      0 B/s',
      ],
    ],
    [
      30,
      [
        'debian.iso      45 %     0:06',
        'release-bu…     75 %  1:02:05',
        'db.sql       1.20 MB',
        'stuck            0 %',
      ],
    ],
    [20, ['debian.iso     45 %', 'release-b…     75 %', 'db.sql      1.20 MB', 'stuck           0 %']],
    [8, ['debian…', 'releas…', 'db.sql', 'stuck']],
  ]
  for (const [columns, rows] of table) t.same(barRows([iso, build, dump, stuck], columns), rows, `${columns} columns`)
})

t.test('gives a single file the room of the others', async (t) => {
  const rows = (file: FileProgress) => barRows([file], 80)
  t.same(rows(iso), ['debian.iso  [==========              ]   45 %   450 MB/1.00 GB  98.3 MB/s  0:06'])
  t.same(rows(dump), ['db.sql            1.20 MB of ?   300 kB/s'], 'and no track where none can be drawn')
  t.same(rows({ ...build, name: '文件'.repeat(20) }), [
    `${'文件'.repeat(8)}文…   75 %  3.00 kB/4.00 kB    999 B/s  1:02:05`,
  ])
  t.same(barRows([], 80), [])
})

const known = { files: 5600, bytes: 450_000_000, isComplete: false }
const reading: FileProgress = {
  ...{ name: 'project/', bytes: 123_000_000, size: null, rate: 98_300_000, secondsLeft: null },
  tree: { files: 1234, known, current: 'src/main.c' },
}
const counted: FileProgress = {
  ...{ ...reading, size: 450_000_000, secondsLeft: 9 },
  tree: { files: 1234, known: { ...known, isComplete: true }, current: 'src/main.c' },
}
const received: FileProgress = { ...reading, tree: { files: 1234, known: null, current: '' } }

t.test('shows of a directory how much there is at least, and its share only when that is known', async (t) => {
  t.same(barRows([reading], 80), ['project/          123 MB/450 MB+  98.3 MB/s'])
  t.same(barRows([counted], 80), ['project/  [=======                   ]   27 %    123 MB/450 MB  98.3 MB/s  0:09'])
  t.same(barRows([received], 80), ['project/             123 MB of ?  98.3 MB/s'])
  t.equal(treeRow(reading, 80), '  1,234 of 5,600+ files, src/main.c')
  t.equal(treeRow(reading, 30), '  1,234 of 5,600+ files, src…')
  t.equal(treeRow(counted, 80), '  1,234 of 5,600 files, src/main.c')
  t.equal(treeRow(received, 80), '  1,234 files')
  t.equal(treeRow(iso, 80), null)
})

t.test('is never wider than the terminal', async () => {
  const name = fc.string({
    unit: fc.oneof(fc.constantFrom('文', '👩‍👩‍👧‍👦', 'a'), fc.string({ unit: 'grapheme' })),
    maxLength: 60,
  })
  const file = fc
    .record({ name, bytes: fc.maxSafeNat(), more: fc.maxSafeNat(), rate: fc.double({ min: 0, noNaN: true }) })
    .map(({ name, bytes, more, rate }): FileProgress => {
      const size = Math.max(1, Math.min(bytes + more, Number.MAX_SAFE_INTEGER))
      return { name, bytes, size, rate, secondsLeft: (size - bytes) / rate, tree: null }
    })
  const unknown = file.map((known): FileProgress => ({ ...known, size: null, secondsLeft: null }))
  const files = fc.array(fc.oneof(file, unknown), { maxLength: 8 })
  fc.assert(
    fc.property(files, fc.constantFrom(1, 2, 8, 20, 21, 30, 40, 60, 80, 200), (drawn, columns) => {
      const rows = barRows(drawn, columns)
      return rows.length === drawn.length && rows.every((row) => stringWidth(row) < Math.max(columns, 2))
    }),
  )
})
