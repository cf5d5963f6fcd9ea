/** A file that breaks off is kept, and found again by the sender that comes back with it. */
import {
  appendFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Header } from '../../dist/protocol/messages.js'
import type { FolderStore } from '../../dist/stores/folder-store.js'
import { doBefore, failDuring, injectFault, replaceCall, replaceDuring, systemError } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import {
  beginLarge,
  breakOff,
  EDITION,
  haveIn,
  keptFolderOf,
  keptFolders,
  keptSizes,
  largeHeader,
  makeOld,
  SIZE,
  SOURCE,
} from '../fixtures/folder-kept.ts'
import { finalNames, header, NeverQuick, openFolder, stagedFiles, stagedNames } from '../fixtures/folder-store.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { append } from '../fixtures/sinks.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { setQuick } from '../fixtures/tree.ts'

const whole = bytesOf(SIZE)
const part = whole.subarray(0, 700 * 1024)

/** Writes the rest of a file that is gone on with. */
async function goOn(store: FolderStore, fields: Partial<Header> = {}) {
  const sink = await store.begin(largeHeader(fields))
  const { have } = sink
  const rest = whole.subarray(have)
  if (!sink.write(rest, have)) await sink.writeLater(rest, have)
  return { have, stored: await sink.commit() }
}

t.test('keeps what has come, private, and goes on with it', async (t) => {
  for (const blocking of [undefined, new NeverQuick()]) {
    const path = t.testdir()
    const leaked = watchOpenFiles(path)
    const store = await openFolder(t, { path, ...(blocking && { blocking }) })
    const opened = watchOpenFiles(path)
    const sink = await beginLarge(store, part, { mode: 0o640, mtime: 5_000 })
    t.match(sink, { have: 0, hasChanged: false })
    const kept = await sink.keep()
    const folder = keptFolderOf(path)
    t.equal(kept, join(folder, 'content'))
    t.ok(readFileSync(join(folder, 'content')).equals(part))
    const modes = ['..', '.', 'about', 'content'].map((name) => statSync(join(folder, name)).mode & 0o777)
    t.strictSame(modes, [0o700, 0o700, 0o600, 0o600])
    t.strictSame(finalNames(path), [])
    t.strictSame(
      stagedFiles(path).filter((name) => !name.startsWith('kept/')),
      [],
    )
    t.equal(await sink.keep(), null, 'it is over')
    await sink.discard()
    t.strictSame(keptSizes(path), { 'large.bin': part.length }, 'and stays kept')
    t.strictSame(await opened(), [])

    const { have, stored } = await goOn(store, { mode: 0o640, mtime: 5_000 })
    t.equal(have, part.length)
    t.equal(stored.name, 'large.bin')
    t.ok(readFileSync(join(path, 'large.bin')).equals(whole))
    t.match(statSync(join(path, 'large.bin')), { mode: 0o100640, mtimeMs: 5_000, nlink: 1 })
    t.strictSame(stagedFiles(path), [])
    await store.close()
    t.strictSame(await leaked(), [])
  }
})

t.test('gives it a name in every way', async (t) => {
  for (const ifExists of ['backup', 'overwrite', 'fail'] as const) {
    for (const links of [true, false]) {
      await t.test(`${ifExists}, ${links ? 'with' : 'without'} hard links`, async (t) => {
        const path = t.testdir(ifExists === 'fail' ? {} : { 'large.bin': 'old' })
        if (!links) failDuring(t, { call: 'link', code: 'EPERM', occurrence: 0 })
        const store = await openFolder(t, { path, ifExists })
        await breakOff(store, part)
        const { have, stored } = await goOn(store, { mode: 0o666 })
        t.equal(have, part.length)
        t.equal(stored.name, ifExists === 'backup' ? 'large_bak.bin' : 'large.bin')
        t.ok(readFileSync(join(path, stored.name)).equals(whole))
        t.equal(statSync(join(path, stored.name)).mode & 0o777, 0o644, 'less the umask')
        t.equal(finalNames(path).length, ifExists === 'backup' ? 2 : 1)
        t.strictSame(stagedFiles(path), [])
      })
    }
  }
})

t.test('is found by its own sender only', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path, owner: 'alice' })
  const other = await openFolder(t, { path, owner: 'bob' })
  await breakOff(store, part)
  const nothing = { have: 0, changed: false }
  t.strictSame(await haveIn(other), nothing, 'with another key')
  t.strictSame(await haveIn(store, { name: 'other.bin' }), nothing, 'under another name')
  t.strictSame(await haveIn(store, { source: 'c'.repeat(32) }), nothing, 'from another place')
  t.strictSame(await haveIn(store), { have: part.length, changed: false })
  t.strictSame(await haveIn(store, { edition: 'c'.repeat(32) }), { have: 0, changed: true }, 'another edition')
  t.strictSame(await haveIn(store), nothing, 'of which nothing can be used')
  t.strictSame(keptFolders(path), [])
  await breakOff(store, part)
  t.strictSame(await haveIn(store, { size: SIZE + 1 }), nothing, 'another size')
})

t.test('is found by one of two senders at once, and by the next one', async (t) => {
  const path = t.testdir()
  const [one, two] = [await openFolder(t, { path }), await openFolder(t, { path })]
  await breakOff(one, part)
  const sinks = await Promise.all([one.begin(largeHeader()), two.begin(largeHeader())])
  t.strictSame(sinks.map(({ have }) => have).sort(), [0, part.length])
  for (const sink of sinks) await sink.keep()
  t.strictSame(await haveIn(one), { have: part.length, changed: false })
})

t.test('keeps the longer one of two senders at once', async (t) => {
  for (const order of [
    [100, 300],
    [300, 100],
  ]) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const sinks = []
    for (const kilobytes of order) sinks.push(await beginLarge(store, whole.subarray(0, kilobytes * 1024)))
    const paths = []
    for (const sink of sinks) paths.push(await sink.keep())
    t.strictSame(paths, Array(2).fill(join(keptFolderOf(path), 'content')))
    t.strictSame(keptSizes(path), { 'large.bin': 300 * 1024 })
    t.equal(stagedFiles(path).length, 3, 'and nothing else')
  }
})

t.test('is kept although other receivers remove the empty folder meanwhile', async (t) => {
  for (const [times, isKept] of [
    [8, true],
    [1000, false],
  ] as const) {
    const path = t.testdir()
    const store = await openFolder(t, { path })
    const sink = await beginLarge(store, part)
    let left: number = times
    // It is removed before each of the two calls of an attempt.
    const restore = doBefore('rename', () => {
      if (left-- > 0) rmSync(join(path, '.tcp-recv/kept'), { recursive: true, force: true })
    })
    t.equal(typeof (await sink.keep()) === 'string', isKept)
    restore()
    t.strictSame(keptSizes(path), isKept ? { 'large.bin': part.length } : {})
    t.equal(stagedFiles(path).length, isKept ? 3 : 0)
  }
})

t.test('keeps the newer one of two editions', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const sinks = [
    await beginLarge(store, part, { edition: 'c'.repeat(32) }),
    await beginLarge(store, part.subarray(0, 1024)),
  ]
  for (const sink of sinks) t.type(await sink.keep(), 'string')
  t.strictSame(await haveIn(store), { have: 1024, changed: false })
})

t.test('goes on behind the last whole chunk, or has all', async (t) => {
  const sizes: [kept: number, have: number][] = [
    [1024, 1024],
    [5 * 1024 + 1, 5 * 1024],
    [5 * 1024 + 1023, 5 * 1024],
    [SIZE - 1, SIZE - 1024],
    [SIZE, SIZE],
  ]
  const store = await openFolder(t, { path: t.testdir() })
  for (const [kept, have] of sizes) {
    await (await store.begin(largeHeader())).discard()
    await breakOff(store, whole.subarray(0, kept))
    t.equal((await haveIn(store)).have, have, `of ${kept}`)
  }
  // The size need not be a multiple of a chunk.
  const odd = { size: SIZE - 5, name: 'odd' }
  await breakOff(store, whole.subarray(0, SIZE - 5), odd)
  t.equal((await haveIn(store, odd)).have, SIZE - 5)
})

t.test('keeps less than a chunk of nothing', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  t.equal(await breakOff(store, part.subarray(0, 1023)), null)
  t.strictSame(stagedFiles(path), [])
})

t.test('keeps nothing that its sender could not go on with', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const small = 1024 * 1024 - 1
  const others = [
    header(),
    largeHeader({ size: small }),
    largeHeader({ size: null }),
    largeHeader({ kind: 'directory' }),
  ]
  const [{ source: _, ...nameless }, { edition: __, ...timeless }] = [largeHeader(), largeHeader()]
  for (const each of [...others, nameless, timeless]) {
    const sink = await store.begin(each)
    await append(sink, part)
    t.match(sink, { have: 0, hasChanged: false })
    t.equal(await sink.keep(), null)
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('keeps nothing for no time', async (t) => {
  const path = t.testdir()
  const [store, kept] = [await openFolder(t, { path, keepPartial: 0 }), await openFolder(t, { path })]
  t.equal(await breakOff(store, part), null)
  t.strictSame(stagedFiles(path), [])
  await breakOff(kept, part)
  t.equal((await haveIn(store)).have, 0)
})

t.test('reads again what is there', async (t) => {
  const store = await openFolder(t, { path: t.testdir() })
  await breakOff(store, part)
  const sink = await store.begin(largeHeader())
  const buffer = Buffer.alloc(1000)
  t.equal(await sink.readAt(buffer, 5000), 1000)
  t.ok(buffer.equals(part.subarray(5000, 6000)))
  t.equal(await sink.readAt(buffer, part.length - 10), 10)
  const fault = injectFault({ call: 'read', code: 'EIO' })
  await t.rejects(sink.readAt(buffer, 0), {
    code: 'local-file',
    message: /^cannot read .*large\.bin: i\/o error \(EIO\)$/,
  })
  fault.restore()
  await sink.discard()
})

t.test('removes it with the file that is discarded or cannot be stored', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await breakOff(store, part)
  await (await store.begin(largeHeader())).discard()
  t.strictSame(stagedFiles(path), [])
  await breakOff(store, part)
  const sink = await store.begin(largeHeader())
  const fault = injectFault({ call: 'fsync', code: 'EIO' })
  await t.rejects(sink.commit(), { code: 'local-file' })
  fault.restore()
  t.strictSame(stagedFiles(path), [])
})

t.test('waits for no disk when it breaks off: a digest shows what a power cut has damaged', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const sink = await beginLarge(store, part)
  for (const call of ['fsync', 'fdatasync'] as const) {
    replaceDuring(t, call, () => async () => {
      t.fail(`${call} was called`)
    })
  }
  t.type(await sink.keep(), 'string')
})

t.test('keeps nothing of which the disk has lost something', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const fault = failDuring(t, { call: 'fdatasync', code: 'EIO' })
  const large = { size: 64 * SIZE }
  const sink = await store.begin(largeHeader(large))
  // The first flush begins before a write that comes behind 16 MiB.
  for (let offset = 0; offset <= 8 * SIZE; offset += SIZE) await sink.writeLater(whole, offset)
  sink.write(part, 9 * SIZE)
  t.equal(await sink.keep(), null)
  t.equal(fault.calls, 1)
  t.strictSame(stagedFiles(path), [])
})

t.test('goes on with what somebody has edited: only a digest shows that', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await breakOff(store, part)
  const content = join(keptFolderOf(path), 'content')
  writeFileSync(content, Buffer.alloc(part.length))
  t.equal((await haveIn(store)).have, part.length)
})

t.test('begins anew if what is kept is of no use', async (t) => {
  const outside = t.testdir({ target: whole.subarray(0, 5000) })
  const target = join(outside, 'target')
  const damages: Record<string, (content: string, about: string) => void> = {
    'the content is empty': (content) => truncateSync(content, 0),
    'the content is less than a chunk': (content) => truncateSync(content, 1023),
    'the content is longer than the file': (content) => appendFileSync(content, whole),
    'the content is missing': (content) => rmSync(content),
    'the content is a symlink': (content) => replace(content, () => symlinkSync(target, content)),
    'the content is a FIFO': (content) => replace(content, () => makeFifo(content)),
    'the content is a directory': (content) => replace(content, () => mkdirSync(content)),
    'the content is another name of a file': (content) => replace(content, () => linkSync(target, content)),
    'there is no description': (_, about) => rmSync(about),
    'the description is empty': (_, about) => truncateSync(about, 0),
    'the description is cut off': (_, about) => truncateSync(about, 20),
    'the description is huge': (_, about) => edit(about, { padding: 'x'.repeat(5000) }),
    'the description is a symlink': (_, about) => replace(about, () => symlinkSync(target, about)),
    'the description is a FIFO': (_, about) => replace(about, () => makeFifo(about)),
    'the description is a directory': (_, about) => replace(about, () => mkdirSync(about)),
    'the description is of another file': (_, about) => edit(about, { name: 'other.bin' }),
    'the description is of another owner': (_, about) => edit(about, { owner: 'bob' }),
    'the description has a name that is no text': (_, about) => edit(about, { name: 5 }),
    'the description has no size': (_, about) => edit(about, { size: null }),
    'the description has no kind': (_, about) => edit(about, { kind: 'stream' }),
    'it is a directory': (_, about) => edit(about, { kind: 'directory' }),
  }
  for (const [what, damage] of Object.entries(damages)) {
    await t.test(what, async (t) => {
      const path = t.testdir()
      const store = await openFolder(t, { path })
      await breakOff(store, part)
      const leaked = watchOpenFiles(path)
      const folder = keptFolderOf(path)
      damage(join(folder, 'content'), join(folder, 'about'))
      const sink = await beginLarge(store, part)
      t.match(sink, { have: 0, hasChanged: false })
      t.strictSame(keptFolders(path), [])
      t.equal(stagedFiles(path).length, 3, 'what was there is gone')
      t.equal(await sink.keep(), join(folder, 'content'))
      t.strictSame(keptSizes(path), { 'large.bin': part.length })
      t.strictSame(await leaked(), [])
    })
  }
  t.ok(readFileSync(target).equals(whole.subarray(0, 5000)), 'and nothing was written elsewhere')
})

function replace(path: string, make: () => void): void {
  rmSync(path)
  make()
}

function edit(about: string, fields: Record<string, unknown>): void {
  writeFileSync(about, JSON.stringify({ ...JSON.parse(readFileSync(about, 'utf8')), ...fields }))
}

t.test('begins anew if something else has the name of what is kept', async (t) => {
  const folder = t.testdir({ target: {}, file: {}, linked: {} })
  const target = join(folder, 'target')
  const makes = {
    file: (place: string) => writeFileSync(place, ''),
    linked: (place: string) => symlinkSync(target, place),
  }
  for (const [name, make] of Object.entries(makes)) {
    const path = join(folder, name)
    const store = await openFolder(t, { path })
    await breakOff(store, part)
    const kept = keptFolderOf(path)
    rmSync(kept, { recursive: true })
    make(kept)
    const sink = await beginLarge(store, part)
    t.match(sink, { have: 0, hasChanged: false })
    mkdirSync(join(kept, '..'))
    make(kept)
    t.equal(await sink.keep(), join(kept, 'content'))
    t.ok(readFileSync(join(kept, 'content')).equals(part))
    t.ok(lstatSync(kept).isDirectory())
  }
  t.strictSame(readdirSync(target), [])
})

t.test('counts its age from when it broke off, however often', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  await breakOff(store, part)
  makeOld(keptFolderOf(path), 100)
  await haveIn(store)
  t.ok(Date.now() - statSync(keptFolderOf(path)).mtimeMs < 60_000)
})

t.test('leaves no folder behind in the staging folder', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path, receiverId: 'one' })
  await breakOff(store, part)
  await goOn(store)
  t.strictSame(stagedNames(path), ['one'])
})

t.test('says whose it is, and no more', async (t) => {
  const path = t.testdir()
  await breakOff(await openFolder(t, { path, owner: 'alice' }), part)
  t.strictSame(JSON.parse(readFileSync(join(keptFolderOf(path), 'about'), 'utf8')), {
    kind: 'file',
    owner: 'alice',
    name: 'large.bin',
    size: SIZE,
    source: SOURCE,
    edition: EDITION,
  })
})

t.test('says what hinders it from beginning, and leaves nothing', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  setQuick(t, true)
  for (const name of ['about', 'content']) {
    const refuse = (place: string) => {
      if (place.endsWith(`/${name}`)) throw systemError('EIO', 'open')
    }
    const restores = [
      replaceCall('open', (open) => (place, ...how) => {
        refuse(place)
        return open(place, ...how)
      }),
      replaceCall('openSync', (open) => (place, ...how) => {
        refuse(place)
        return open(place, ...how)
      }),
    ]
    await t.rejects(store.begin(largeHeader()), { code: 'local-file', reason: 'disk' }, name)
    for (const restore of restores) restore()
    t.strictSame(stagedFiles(path), [])
  }
})

t.test('takes bytes at any offset', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const entry = await store.begin(header())
  const put = async (text: string, offset: number) => {
    const bytes = Buffer.from(text)
    if (!entry.write(bytes, offset)) await entry.writeLater(bytes, offset)
  }
  await put('world', 6)
  await put('hello ', 0)
  await entry.writeLater(Buffer.from('!'), 11)
  await entry.commit()
  t.equal(readFileSync(join(path, 'file.txt'), 'utf8'), 'hello world!')
})
