/** Directories whose sender or receiver is killed (SIGKILL): they are there whole or not at all, and go on. */
import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, start, startReceiver } from '../fixtures/commands.js'
import { replaceDuring } from '../fixtures/disk.js'
import { trySend } from '../fixtures/ends.js'
import { bytesOf, namesIn } from '../fixtures/folder.js'
import { gate } from '../fixtures/gate.js'
import { manyFiles, staged } from '../fixtures/many-files.js'
import { NOBODY } from '../fixtures/other-user.js'
import { makeTree, setQuick, tellTree } from '../fixtures/tree.js'
import { until } from '../fixtures/turns.js'

const FILES = 400

/** The visible names, each of which must be the whole tree. */
function whole(t: Test, out: string, expected: object): string[] {
  const names = namesIn(out).filter((name) => name !== '.tcp-recv')
  for (const name of names) t.strictSame(tellTree(join(out, name)), expected, `${name} is whole`)
  return names
}

t.test('whichever side is killed, and whenever', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), manyFiles(FILES, 'd8/large'))
  const expected = tellTree(project)
  const kill = async (victim: 'sender' | 'receiver', moment: number) => {
    const out = join(folder, `${victim}-${moment}`)
    const receiver = await startReceiver(t, ['--out', out, '--one-attempt', '--json'])
    const sender = start(t, 'tcp-send', ['--retry', '0', project, '127.0.0.1', receiver.port])
    let isOver = false
    void sender.done.then(() => {
      isOver = true
    })
    // The last moment is that of the name itself: from then on the kill races with the fsync and the answer.
    await until(() => isOver || staged(out) >= moment || namesIn(out).includes('project'))
    const killed = victim === 'sender' ? sender : receiver
    const living = victim === 'sender' ? receiver : sender
    await killed.kill('SIGKILL')
    const { code } = await living.done
    const names = whole(t, out, expected)
    // A receiver that has stored everything has failed all the same if it could not tell the sender.
    t.ok(
      code === 6 || (code === 0 && names.length === 1),
      `${victim} killed at ${moment}, the other side ended with ${code}`,
    )
    const args = ['--host', '127.0.0.1', '--port', '0', '--wait', '0.1', '--out', out]
    t.equal((await runCommand(t, 'tcp-recv', args)).code, 9)
    const left = namesIn(out).filter((name) => name !== '.tcp-recv')
    t.strictSame(left, names)
    if (names.length > 0) {
      t.strictSame(namesIn(out), names, 'the next receiver cleans up')
      return
    }
    t.strictSame(namesIn(join(out, '.tcp-recv')), ['kept'], 'the next receiver keeps what has come')
    const next = await startReceiver(t, ['--out', out, '--once'])
    t.equal((await runCommand(t, 'tcp-send', [project, '127.0.0.1', next.port])).code, 0)
    t.equal((await next.done).code, 0)
    t.strictSame(whole(t, out, expected), ['project'], 'it goes on')
    t.strictSame(namesIn(out), ['project'])
  }
  for (const moment of [20, 150, FILES, 10 * FILES]) {
    await Promise.all([kill('sender', moment), kill('receiver', moment)])
  }
})

t.test('what a killed receiver leaves can be removed, also what its owner may not change', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { 'a/b/c': 'x', 'a/d': 'x', z: bytesOf(2_000_000) })
  for (const name of ['a/b', 'a']) chmodSync(join(project, name), 0o555)
  const out = makeTree(join(folder, 'out'), {})
  // Root may change everything.
  const user = process.getuid?.() === 0 ? { user: NOBODY } : {}
  if ('user' in user) chownSync(out, NOBODY, NOBODY)
  const receiver = await startReceiver(t, ['--out', out, '--json'], user)
  // The sender stops in the middle of the last file.
  setQuick(t, false)
  const stop = gate()
  replaceDuring(t, 'read', (current) => async (fd, buffer, offset, length, position) => {
    if ((position ?? 0) > 1_000_000) await stop.opened
    return await current(fd, buffer, offset, length, position)
  })
  const sending = trySend(t, Number(receiver.port), project, { retry: 0 })
  try {
    await until(() => staged(out) === 9)
    await receiver.kill('SIGKILL')
    const [id] = readdirSync(join(out, '.tcp-recv')) as [string]
    const [number] = readdirSync(join(out, '.tcp-recv', id)) as [string]
    const content = join(out, '.tcp-recv', id, number, 'content')
    t.match(tellTree(content, { contentOnly: true }), { 'a/b/c': 'file x', 'a/d': 'file x', z: /^file / })
    t.equal(statSync(join(content, 'a/b')).mode & 0o777, 0o555)
    const args = ['--host', '127.0.0.1', '--port', '0', '--wait', '0.1', '--out', out]
    t.equal((await runCommand(t, 'tcp-recv', args, user)).code, 9)
    t.strictSame(namesIn(join(out, '.tcp-recv')), ['kept'])
    t.equal((await runCommand(t, 'tcp-recv', [...args, '--keep-partial', '0'], user)).code, 9)
    t.strictSame(namesIn(out), [])
  } finally {
    stop.open()
    for (const name of ['a', 'a/b']) chmodSync(join(project, name), 0o755)
  }
  t.match((await sending).error, { code: 'incomplete' })
})
