/** A directory as a tar archive, which the tar of this system unpacks. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { OutputStore } from '../../dist/stores/output-store.js'
import { bytesOf } from '../fixtures/folder.ts'
import { directoryHeader, type Item, leave, put, sampleItems, storeTreeIn } from '../fixtures/folder-tree.ts'
import { withoutProgram } from '../fixtures/required.ts'
import { tellTree } from '../fixtures/tree.ts'

type Fields = Parameters<typeof directoryHeader>[0]

/** The archive of a directory with these items. */
async function archive(fields: Fields, items: readonly Item[]): Promise<Buffer> {
  const output = new PassThrough()
  const reading = buffer(output)
  const store = new OutputStore(output, new AbortController().signal)
  const stored = await storeTreeIn(store, fields ?? {}, items)
  if (stored.path !== '-') throw new Error(`it is stored in ${stored.path}`)
  output.end()
  return await reading
}

/** Unpacks an archive into a new folder. GNU tar warns of what it does not understand, so it must say nothing. */
function unpack(t: Test, bytes: Buffer): string {
  const folder = t.testdir()
  mkdirSync(`${folder}/x`)
  const { status, stderr } = spawnSync('tar', ['-C', `${folder}/x`, '-xp'], { input: bytes, encoding: 'utf8' })
  t.equal(stderr.replace(/^tar: .*(?:\n.*){0,2}: implausibly old time stamp .*\n/gm, ''), '')
  t.equal(status, 0)
  return `${folder}/x`
}

const options = { skip: withoutProgram('tar') }

t.test('is what tar unpacks, with all attributes', options, async (t) => {
  const bytes = await archive({ mode: 0o750, mtime: 1_300_000_000_321 }, sampleItems)
  t.equal(bytes.length % 512, 0)
  t.ok(bytes.subarray(-1024).equals(Buffer.alloc(1024)))
  const told = tellTree(`${unpack(t, bytes)}/project`)
  // Without a mode of its own; without a time of its own it has that of 1970.
  t.match(told['d/empty'], /^directory 755 /)
  t.strictSame(told, {
    '.': 'directory 750 1300000000321',
    'a.txt': 'file 640 1700000000123 small',
    d: 'directory 755 1600000000456',
    'd/b': 'symlink  1500000000789 ../a.txt',
    'd/c.bin': 'file 755 1400000000000 large',
    'd/empty': told['d/empty'],
  })
})

t.test('has names and targets of any length and script', options, async (t) => {
  const names = [
    '-rf',
    'é',
    '日本語',
    'Кириллица',
    'العربية',
    '😀',
    'li\nne',
    'a b',
    'tab\t',
    'x'.repeat(255),
    'y'.repeat(101),
  ]
  const items: Item[] = names.flatMap((name): Item[] => [
    { enter: name, mtime: 1_700_000_000_001 },
    { file: name, content: name, mtime: -1_500 },
    { symlink: 'link', to: `../${name}/${name}`, mtime: 1_700_000_000_999 },
    leave,
  ])
  const deep: Item[] = Array.from({ length: 10 }, () => ({ enter: 'd'.repeat(200), mtime: 1_000 }))
  const all = [...items, ...deep, { file: 'bottom', content: 'x', mtime: 1_000 } as const]
  const folder = unpack(t, await archive({ name: 'ö', mtime: 0 }, all))
  const told = tellTree(`${folder}/ö`)
  for (const name of names) {
    t.equal(told[name], 'directory 755 1700000000001')
    t.match(told[`${name}/${name}`], /^file 644 -1500 /)
    t.equal(told[`${name}/link`], `symlink  1700000000999 ../${name}/${name}`)
  }
  t.equal(told[`${`${'d'.repeat(200)}/`.repeat(10)}bottom`], 'file 644 1000 x')
  t.equal(told['.'], 'directory 755 0')
})

t.test('has large files in pieces, and sizes that need no padding', options, async (t) => {
  const bytes = bytesOf(200_000)
  const folder = unpack(
    t,
    await archive({}, [
      { large: 'a', pieces: [bytes.subarray(0, 1), bytes.subarray(1, 70_000), bytes.subarray(70_000)] },
      { large: 'b', pieces: [] },
      { file: 'c', content: bytes.subarray(0, 1024) },
      { file: 'd', content: '' },
      { file: 'e', content: 'x', mode: 0o7777 },
    ]),
  )
  const told = tellTree(`${folder}/project`, { contentOnly: true })
  t.equal(Object.keys(told).join(), '.,a,b,c,d,e')
  const whole = await archive({}, [{ file: 'a', content: bytes }])
  t.equal(told.a, tellTree(`${unpack(t, whole)}/project`, { contentOnly: true }).a)
  t.strictSame([told.b, told.d], ['file ', 'file '])
})

t.test('ends where a file ends too early: what follows would be taken for the rest of it', async (t) => {
  const output = new PassThrough()
  const reading = buffer(output)
  const sink = await new OutputStore(output, new AbortController().signal).beginTree(directoryHeader())
  const file = await sink.begin({ name: 'a', size: 600, mode: null, mtime: null })
  t.equal(file.write(Buffer.from('x'), 0), false)
  await file.writeLater(Buffer.alloc(100, 'x'), 0)
  await file.discard()
  await put(sink, { file: 'b', content: 'x' })
  await put(sink, { enter: 'c' })
  await sink.discard()
  output.end()
  t.equal((await reading).length, 512 + 512 + 100)
})

t.test('takes one directory, or says why it cannot', async (t) => {
  const output = new PassThrough()
  output.resume()
  const store = new OutputStore(output, new AbortController().signal)
  await storeTreeIn(store, {}, [])
  await t.rejects(store.beginTree(directoryHeader()), { code: 'refused', reason: 'policy' })
  const broken = new PassThrough()
  broken.destroy()
  await t.rejects(new OutputStore(broken, new AbortController().signal).beginTree(directoryHeader()), {
    code: 'local-file',
    reason: 'output',
  })
})

t.test('stops waiting for a slow reader when the transfer ends', async (t) => {
  // It takes the first piece, and then nothing more.
  let taken = 0
  const output = new Writable({
    write: (_bytes, _encoding, done) => {
      if (taken++ === 0) done()
    },
  })
  const controller = new AbortController()
  const store = new OutputStore(output, controller.signal)
  const sink = await store.beginTree(directoryHeader())
  const writing = put(sink, { file: 'a', content: 'x' })
  controller.abort(new Error('broken off'))
  await t.rejects(writing, { message: 'broken off' })
})

t.test('has nothing of an earlier transfer', async (t) => {
  const output = new PassThrough()
  output.resume()
  const tree = await new OutputStore(output, new AbortController().signal).beginTree(directoryHeader())
  t.equal(tree.isResumed, false)
  for await (const item of tree.list()) t.fail(`${item} is there`)
  t.equal(await tree.adopt({ name: 'a', size: 0, mtime: null, mode: null }), false)
  await t.rejects(tree.open('a'), /a is not there/)
  await tree.drop([])
})
