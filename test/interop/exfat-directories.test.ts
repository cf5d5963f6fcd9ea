/** Directories on a stick: see fixtures/exfat.ts for what it has not. */
import { statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { mountStick } from '../fixtures/exfat.ts'
import { bytesOf, namesIn } from '../fixtures/folder.ts'
import { makeTree, type Tree, tellTree } from '../fixtures/tree.ts'

const contentOnly = { contentOnly: true }

t.test('on a stick', async (t) => {
  const { folder: out, skip } = mountStick(t, 'umask=022')
  if (skip !== false) {
    t.comment(skip)
    t.pass('mounted', { skip })
    return
  }

  const send = async (t: Test, tree: Tree, ifExists: 'backup' | 'overwrite' | 'skip' | 'fail' = 'backup') => {
    const project = makeTree(join(t.testdir(), 'project'), tree)
    utimesSync(join(project, Object.keys(tree)[0] as string), 1_000, 1_500_000_000)
    const receiver = await startReceiver(t, { out, ifExists })
    const sent = await trySend(t, receiver.port, project)
    await receiver.stop()
    return { sent, events: receiver.events }
  }

  const tree = { a: 'new', 'd/e/f': bytesOf(70_000), 'é b': 'x', 'empty/': '' }

  await t.test('a directory is stored, under a name that is free', async (t) => {
    for (const name of ['project', 'project_bak']) {
      const { sent } = await send(t, tree)
      t.match(sent.summary, { files: 3 })
      t.strictSame(Object.keys(tellTree(join(out, name))), ['.', 'a', 'd', 'd/e', 'd/e/f', 'empty', 'é b'])
      t.equal(statSync(join(out, name, 'a')).mtimeMs, 1_500_000_000_000)
    }
  })

  await t.test('files are moved into a directory that is there', async (t) => {
    t.match((await send(t, { A: 'other', 'd/e/g': 'new' }, 'overwrite')).sent.summary, { files: 2 })
    const told = tellTree(join(out, 'project'), contentOnly)
    t.strictSame([told.A ?? told.a, told['d/e/g']], ['file other', 'file new'])
    const { sent, events } = await send(t, { 'D/E/G': 'newer', h: 'new' }, 'skip')
    t.match(sent.error, { reason: 'skipped' })
    t.match(events.of('refused'), [{ name: 'project/D/E/G', reason: 'skipped' }])
    t.match(tellTree(join(out, 'project'), contentOnly), { 'd/e/g': 'file new', h: 'file new' })
    t.match((await send(t, { H: 'x' }, 'fail')).sent.error, {
      reason: 'exists',
      message: /it has "project\/H" already/,
    })
  })

  for (const [what, tree, message] of [
    ['two files', { 'd/Readme': 'x', 'd/readme': 'x' }, /takes "project\/d\/readme" for another name in the same/],
    ['a large file', { A: 'x', a: bytesOf(70_000) }, /takes "project\/a" for another name in the same directory/],
    ['two directories', { 'D/x': '', 'd/y': '' }, /takes "project\/d" for another name in the same directory/],
    ['a name that it cannot hold', { 'd/a:b': 'x' }, /the name "project\/d\/a:b" is refused: .* cannot hold it/],
    ['a directory that it cannot hold', { 'a*b/c': '' }, /the name "project\/a\*b" is refused: .* cannot hold it/],
    ['a symlink', { 'd/link': { to: 'x' }, 'd/x': '' }, /holds no symlinks: "project\/d\/link"/],
  ] as [string, Tree, RegExp][]) {
    await t.test(`a directory is refused because of ${what}`, async (t) => {
      const before = namesIn(out)
      const first = Object.keys(tree).find((path) => typeof tree[path] === 'string') as string
      const { sent, events } = await send(t, { [first]: '', ...tree })
      t.match(sent.error, { code: 'refused', exitCode: 5, message })
      t.match(events.of('refused'), [{ name: 'project', code: 'refused', message }])
      t.strictSame(namesIn(out), before)
    })
  }
})
