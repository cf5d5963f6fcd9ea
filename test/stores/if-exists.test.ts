import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { IfExists } from '../../dist/stores/final-name.js'
import { countCalls, failDuring, replaceDuring } from '../fixtures/disk.ts'
import { contentOf, finalNames, header, openFolder, stagedFiles, storeIn } from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'
import { makeFifo, makeSocket } from '../fixtures/special-files.ts'

/** All that can stand under a final name, made in the folder `out` beside a file `target.txt` that is outside of it. */
const obstacles: Record<string, (t: Test, out: string) => void | Promise<void>> = {
  'a file': (_, out) => writeFileSync(join(out, 'name'), 'old'),
  'a live symlink': (_, out) => symlinkSync('../target.txt', join(out, 'name')),
  'a dangling symlink': (_, out) => symlinkSync('../absent.txt', join(out, 'name')),
  'a symlink to a folder': (_, out) => symlinkSync('..', join(out, 'name')),
  'a FIFO': (_, out) => makeFifo(join(out, 'name')),
  'a socket': (t, out) => makeSocket(t, out, 'name'),
  'an empty folder': (_, out) => mkdirSync(join(out, 'name')),
  'a full folder': (_, out) => {
    mkdirSync(join(out, 'name'))
    writeFileSync(join(out, 'name', 'inside'), 'old')
  },
}

/** What a path is, without following it: enough to see that it was not touched. */
function identity(path: string) {
  const stats = lstatSync(path)
  const link = stats.isSymbolicLink() ? readlinkSync(path) : null
  const content = stats.isFile() ? readFileSync(path, 'utf8') : null
  const names = stats.isDirectory() ? readdirSync(path) : null
  return { inode: stats.ino, mode: stats.mode, link, content, names }
}

async function inTheWay(t: Test, kind: string) {
  const path = t.testdir({ out: {}, 'target.txt': 'target' })
  const out = join(path, 'out')
  const make = () => obstacles[kind]?.(t, out)
  return {
    out,
    make,
    identity: () => identity(join(out, 'name')),
    /** Nothing around the folder was touched, nothing is left staged, and these are the names in it. */
    check: (...names: string[]) => {
      t.strictSame(readdirSync(path).sort(), ['out', 'target.txt'])
      t.equal(contentOf(path, 'target.txt'), 'target')
      t.strictSame(stagedFiles(out), [])
      t.strictSame(finalNames(out), names)
    },
  }
}

for (const kind of Object.keys(obstacles)) {
  t.test(`backup: stores beside ${kind}, which stays as it is`, async (t) => {
    const place = await inTheWay(t, kind)
    await place.make()
    const before = place.identity()
    const store = await openFolder(t, { path: place.out, ifExists: 'backup' })
    t.equal((await storeIn(store, { name: 'name' }, 'new')).name, 'name_bak')
    t.equal(contentOf(place.out, 'name_bak'), 'new')
    t.strictSame(place.identity(), before)
    place.check('name', 'name_bak')
  })

  t.test(`overwrite: puts the new file in the place of ${kind}, unless it is a folder`, async (t) => {
    const place = await inTheWay(t, kind)
    await place.make()
    const before = place.identity()
    const store = await openFolder(t, { path: place.out, ifExists: 'overwrite' })
    if (before.names) {
      const refused = { code: 'refused', reason: 'exists', peerMessage: /folder named "name"/ }
      await t.rejects(store.begin(header({ name: 'name' })), refused, 'before any bytes')
      t.strictSame(place.identity(), before)
    } else {
      t.equal((await storeIn(store, { name: 'name' }, 'new')).name, 'name')
      t.equal(contentOf(place.out, 'name'), 'new')
      t.ok(lstatSync(join(place.out, 'name')).isFile())
    }
    place.check('name')
  })

  for (const [ifExists, reason] of [
    ['skip', 'skipped'],
    ['fail', 'exists'],
  ] as const) {
    t.test(`${ifExists}: refuses when there is ${kind}, before any byte is taken`, async (t) => {
      const place = await inTheWay(t, kind)
      await place.make()
      const before = place.identity()
      const store = await openFolder(t, { path: place.out, ifExists })
      await t.rejects(store.begin(header({ name: 'name' })), {
        code: 'refused',
        reason,
        exitCode: 5,
        peerMessage: /"name"/,
      })
      t.strictSame(place.identity(), before)
      place.check('name')
    })

    t.test(`${ifExists}: refuses when ${kind} appears while the file is on its way`, async (t) => {
      const place = await inTheWay(t, kind)
      const store = await openFolder(t, { path: place.out, ifExists })
      const entry = await store.begin(header({ name: 'name' }))
      await append(entry, Buffer.from('new'))
      await place.make()
      const before = place.identity()
      await t.rejects(entry.commit(), { code: 'refused', reason })
      t.strictSame(place.identity(), before)
      place.check('name')
    })
  }
}

t.test('stores under the name itself, whatever the choice, when it is free', async (t) => {
  for (const ifExists of ['backup', 'overwrite', 'skip', 'fail'] as const) {
    const path = t.testdir({ other: '' })
    t.equal((await storeIn(await openFolder(t, { path, ifExists }), { name: 'name' }, 'new')).name, 'name')
    t.equal(contentOf(path, 'name'), 'new')
  }
})

/** A folder that holds `name` and the copies of these numbers. */
function folderWithCopies(t: Test, numbers: Iterable<number>): string {
  const copies = Array.from(numbers, (number) => [`name_bak${number === 1 ? '' : number}`, 'copy'])
  return t.testdir({ name: 'old', ...Object.fromEntries(copies) })
}

t.test('finds the first free number among any count of copies', async (t) => {
  for (const count of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 50]) {
    const path = folderWithCopies(
      t,
      Array.from({ length: count }, (_, index) => index + 1),
    )
    const { name } = await storeIn(await openFolder(t, { path }), { name: 'name' }, 'new')
    t.equal(name, `name_bak${count === 0 ? '' : count + 1}`)
    t.equal(contentOf(path, name), 'new')
  }
})

t.test('finds a free number among copies with gaps, and overwrites none', async (t) => {
  for (const numbers of [[2], [1, 3], [1, 2, 4], [1, 2, 4, 8, 16], [1, 2, 3, 4, 6, 7, 8, 9]]) {
    const path = folderWithCopies(t, numbers)
    const { name } = await storeIn(await openFolder(t, { path }), { name: 'name' }, 'new')
    const others = finalNames(path).filter((other) => other !== name)
    t.equal(others.length, numbers.length + 1, `${name} among ${numbers}`)
    t.strictSame([...new Set(others.map((other) => contentOf(path, other)))].sort(), ['copy', 'old'])
  }
})

t.test('goes on to the next number when the one that it found is taken at the last moment', async (t) => {
  const path = t.testdir({ name: 'old', name_bak: 'copy' })
  const store = await openFolder(t, { path })
  replaceDuring(t, 'link', (current) => async (from, to) => {
    if (String(to).endsWith('name_bak2')) writeFileSync(join(path, 'name_bak2'), 'of somebody else')
    await current(from, to)
  })
  t.equal((await storeIn(store, { name: 'name' }, 'new')).name, 'name_bak3')
  t.equal(contentOf(path, 'name_bak2'), 'of somebody else')
  t.equal(contentOf(path, 'name_bak3'), 'new')
})

for (const ifExists of ['backup', 'skip', 'fail'] as const) {
  t.test(`${ifExists}: stores nothing when it cannot be seen whether a name is taken`, async (t) => {
    const path = t.testdir({ name: 'old' })
    const store = await openFolder(t, { path, ifExists })
    failDuring(t, { call: 'lstat', code: 'EACCES' })
    await t.rejects(storeIn(store, { name: 'name' }, 'new'), { code: 'local-file', reason: 'disk' })
    t.strictSame(finalNames(path), ['name'])
    t.equal(contentOf(path, 'name'), 'old')
  })
}

t.test('looks at few of a thousand copies', async (t) => {
  const path = folderWithCopies(
    t,
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  )
  const store = await openFolder(t, { path })
  const counts = await countCalls(() => storeIn(store, { name: 'name' }, 'new'))
  t.equal(contentOf(path, 'name_bak1001'), 'new')
  const looks = counts.get('lstat') ?? 0
  t.ok(looks <= 22, `${looks} looks are no more than twice the binary digits of 1001, and a few`)
})

const concurrent: [IfExists, string[]][] = [
  ['backup', ['name', 'name_bak', 'name_bak2', 'name_bak3', 'name_bak4', 'name_bak5']],
  ['overwrite', ['name']],
  ['fail', ['name']],
  ['skip', ['name']],
]

for (const [ifExists, names] of concurrent) {
  t.test(`${ifExists}: keeps every file whole when several of one name end at once`, async (t) => {
    const path = t.testdir()
    const entries = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const entry = await (await openFolder(t, { path, ifExists })).begin(header({ name: 'name' }))
        await append(entry, Buffer.from(`file ${index}`))
        return entry
      }),
    )
    const results = await Promise.allSettled(entries.map((entry) => entry.commit()))
    const stored = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.name] : []))
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    t.strictSame([...new Set(stored)].sort(), names)
    const reason = ifExists === 'skip' ? 'skipped' : 'exists'
    for (const error of errors) t.match(error, { code: 'refused', reason })
    t.equal(errors.length, ifExists === 'fail' || ifExists === 'skip' ? 5 : 0)
    t.strictSame(finalNames(path), names)
    const contents = names.map((name) => contentOf(path, name))
    t.equal(new Set(contents).size, names.length)
    for (const content of contents) t.match(content, /^file [0-5]$/)
    t.strictSame(stagedFiles(path), [])
  })
}

t.test('overwrite: fails, or refuses, when what is there cannot be replaced in the end', async (t) => {
  const path = t.testdir()
  const incoming = await (await openFolder(t, { path, ifExists: 'overwrite' })).begin(header({ name: 'name' }))
  await append(incoming, Buffer.from('new'))
  mkdirSync(join(path, 'name'))
  await t.rejects(incoming.commit(), { code: 'refused', reason: 'exists', message: /it has a folder named "name"/ })
  failDuring(t, { call: 'rename', code: 'EIO' })
  const other = storeIn(await openFolder(t, { path, ifExists: 'overwrite' }), { name: 'other' }, 'new')
  await t.rejects(other, { code: 'local-file', reason: 'disk' })
  t.strictSame(finalNames(path), ['name'])
})
