/** Something is there already under the name that a sender chooses: nothing of it is followed, opened or waited for. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { IfExists } from '../../dist/index.js'
import { startReceiver } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { makeFifo, makeSocket } from '../fixtures/special-files.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'

/** Makes what is in the way, in a folder beside which there is `outside`. */
const obstacles: Record<string, (t: Test, folder: string, name: string) => void | Promise<void>> = {
  'a-file': (_, folder, name) => writeFileSync(join(folder, name), 'old'),
  'a-link': (_, folder, name) => symlinkSync('../outside/file', join(folder, name)),
  'a-link-to-a-folder': (_, folder, name) => symlinkSync('../outside', join(folder, name)),
  'a-dangling-link': (_, folder, name) => symlinkSync('../outside/nothing', join(folder, name)),
  'a-link-to-itself': (_, folder, name) => symlinkSync(name, join(folder, name)),
  'a-fifo': (_, folder, name) => makeFifo(join(folder, name)),
  'a-socket': (t, folder, name) => makeSocket(t, folder, name),
  'an-empty-folder': (_, folder, name) => mkdirSync(join(folder, name)),
  'a-full-folder': (_, folder, name) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'inside'), 'old')
  },
}

const names = Object.keys(obstacles)
const isFolder = (name: string) => name.endsWith('-folder') && !name.startsWith('a-link')

/** What a path is, without following it. */
function identity(path: string) {
  const stats = lstatSync(path)
  const link = stats.isSymbolicLink() ? readlinkSync(path) : null
  return { inode: stats.ino, mode: stats.mode, link, names: stats.isDirectory() ? readdirSync(path) : null }
}

/** Sends these entries, one for each obstacle in `place`; what the receiver says of each, and which of them are changed. */
async function offer(t: Test, place: string, ifExists: IfExists, entryFor: (name: string) => Buffer[]) {
  const folder = t.testdir({ out: {}, outside: { file: 'outside' } })
  const out = join(folder, 'out')
  const taken = join(out, place)
  mkdirSync(taken, { recursive: true })
  for (const [name, make] of Object.entries(obstacles)) await make(t, taken, name)
  const before = new Map(names.map((name) => [name, identity(join(taken, name))]))
  const receiver = await startReceiver(t, { out, ifExists })
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, ...names.flatMap(entryFor), frame('F', { entries: names.length }))
  t.equal(await peer.ended, 'end')
  await peer.closed
  await receiver.stop()
  const said = peer.frames
    .filter(({ type }) => type === 'S' || type === 'R')
    .map(({ type, fields }) => `${type} ${fields.reason ?? fields.name}`)
  t.strictSame(filesIn(join(folder, 'outside')), { file: 'outside' })
  t.strictSame(namesIn(folder), ['out', 'outside'])
  const isChanged = (name: string) => {
    const now = identity(join(taken, name))
    return JSON.stringify(now) !== JSON.stringify(before.get(name))
  }
  return { said, out, changed: names.filter(isChanged) }
}

const wantedOfFiles: Record<IfExists, (name: string) => string> = {
  backup: (name) => `S ${name}_bak`,
  reuse: (name) => `S ${name}_bak`,
  fail: () => 'R exists',
  skip: () => 'R skipped',
  overwrite: (name) => (isFolder(name) ? 'R exists' : `S ${name}`),
}

for (const [ifExists, wanted] of Object.entries(wantedOfFiles) as [IfExists, (name: string) => string][]) {
  t.test(`a file finds its name taken (${ifExists})`, async (t) => {
    const { said, out, changed } = await offer(t, '', ifExists, (name) => entryFrames(name, 'new'))
    t.strictSame(said, names.map(wanted))
    const replaced = ifExists === 'overwrite' ? names.filter((name) => !isFolder(name)) : []
    t.strictSame(changed, replaced)
    for (const name of replaced)
      t.ok(lstatSync(join(out, name)).isFile() && readFileSync(join(out, name), 'utf8') === 'new')
    const beside = ['backup', 'reuse'].includes(ifExists) ? names.map((name) => `${name}_bak`) : []
    for (const name of beside) t.equal(readFileSync(join(out, name), 'utf8'), 'new')
    t.strictSame(namesIn(out), [...names, ...beside].sort())
  })
}

/** A directory goes into a directory that is there, and into nothing else. */
const wantedOfDirectories: Record<IfExists, (name: string) => string> = {
  backup: (name) => `S ${name}_bak`,
  reuse: (name) => `S ${name}_bak`,
  fail: (name) => (isFolder(name) ? `S ${name}` : 'R exists'),
  skip: (name) => (isFolder(name) ? `S ${name}` : 'R skipped'),
  overwrite: (name) => (isFolder(name) ? `S ${name}` : 'R exists'),
}

for (const [ifExists, wanted] of Object.entries(wantedOfDirectories) as [IfExists, (name: string) => string][]) {
  t.test(`a directory finds its name taken (${ifExists})`, async (t) => {
    const entry = (name: string) => directoryFrames(name, [tree.file('file', 'new')])
    const { said, out, changed } = await offer(t, '', ifExists, entry)
    t.strictSame(said, names.map(wanted))
    const merged = ['backup', 'reuse'].includes(ifExists) ? [] : names.filter(isFolder)
    t.strictSame(changed, merged)
    for (const name of merged) t.match(filesIn(join(out, name)), { file: 'new' })
    const beside = ['backup', 'reuse'].includes(ifExists) ? names.map((name) => `${name}_bak`) : []
    for (const name of beside) t.strictSame(filesIn(join(out, name)), { file: 'new' })
    t.strictSame(namesIn(out), [...names, ...beside].sort())
  })
}

/** Each of them comes with a directory of its own, which is merged into the one that has all obstacles. */
const wantedOfItems: Record<IfExists, (name: string, index: number) => string> = {
  backup: (_, index) => `S d_bak${index === 0 ? '' : index + 1}`,
  reuse: (_, index) => `S d_bak${index === 0 ? '' : index + 1}`,
  fail: () => 'R exists',
  skip: () => 'R skipped',
  overwrite: (name) => (isFolder(name) ? 'R exists' : 'S d'),
}

for (const [ifExists, wanted] of Object.entries(wantedOfItems) as [
  IfExists,
  (name: string, index: number) => string,
][]) {
  t.test(`a file in a directory finds its name taken (${ifExists})`, async (t) => {
    const entry = (name: string) => directoryFrames('d', [tree.file(name, 'new')])
    const { said, out, changed } = await offer(t, 'd', ifExists, entry)
    t.strictSame(said, names.map(wanted))
    const replaced = ifExists === 'overwrite' ? names.filter((name) => !isFolder(name)) : []
    t.strictSame(changed, replaced)
    for (const name of replaced) t.ok(lstatSync(join(out, 'd', name)).isFile())
    t.strictSame(namesIn(join(out, 'd')), names.toSorted())
  })

  t.test(`a directory in a directory finds its name taken (${ifExists})`, async (t) => {
    const entry = (name: string) => directoryFrames('d', [tree.open(name), tree.file('file', 'new'), tree.close()])
    const { said, out, changed } = await offer(t, 'd', ifExists, entry)
    const merges = (name: string, index: number) => {
      if (['backup', 'reuse'].includes(ifExists)) return wanted(name, index)
      return isFolder(name) ? 'S d' : 'R exists'
    }
    t.strictSame(said, names.map(merges))
    t.strictSame(changed, ['backup', 'reuse'].includes(ifExists) ? [] : names.filter(isFolder))
    t.strictSame(namesIn(join(out, 'd')), names.toSorted())
  })
}
