import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCommand, sendTo, startReceiver } from '../fixtures/commands.js'
import { filesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.test('--exec runs a program for each file, in their order, and waits for the last', async (t) => {
  const folder = t.testdir({ '$(id) "x"; y': 'one', b: 'two', log: '' })
  writeFileSync(join(folder, 'hook.sh'), 'cat "$TCP_TRANSFER_PATH" >>log; echo " $TCP_TRANSFER_NAME" >>log; echo told')
  const args = ['--once', '--exec', 'sh hook.sh', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  t.equal((await sendTo(t, receiver, ['$(id) "x"; y', 'b'], { cwd: folder })).code, 0)
  const { code, stdout, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(stdout, 'out/$(id) "x"; y\nout/b\n', 'what the program prints does not get between the paths')
  t.equal(stderr.match(/^told$/gm)?.length, 2)
  t.equal(readFileSync(join(folder, 'log'), 'utf8'), 'one $(id) "x"; y\ntwo b\n')
})

t.test('10: the program failed; its file is stored, and the sender knows nothing of it', async (t) => {
  const folder = t.testdir({ a: 'one', b: 'two' })
  const args = ['--json', '--once', '--exec', 'false', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  t.equal((await sendTo(t, receiver, ['a', 'b'], { cwd: folder })).code, 0)
  const { code, stdout } = await receiver.done
  t.equal(code, 10)
  const events = readEvents(t, stdout)
  const failures = events.filter(({ event }) => event === 'failed')
  t.match(failures, [
    { name: 'a', code: 'hook', message: '--exec false ended with exit status 1' },
    { name: 'b', code: 'hook' },
  ])
  t.match(only(events, 'done'), { files: 2, exitCode: 10 })
  t.same(filesIn(join(folder, 'out')), { a: 'one', b: 'two' })
})

t.test('10: the program is gone when its first file comes', async (t) => {
  const folder = t.testdir({ 'file.txt': 'one' })
  writeFileSync(join(folder, 'hook'), '#!/bin/sh\n', { mode: 0o755 })
  const receiver = await startReceiver(t, ['--once', '--exec', './hook', '--out', 'out'], { cwd: folder })
  rmSync(join(folder, 'hook'))
  t.equal((await sendTo(t, receiver, ['file.txt'], { cwd: folder })).code, 0)
  const { code, stderr } = await receiver.done
  t.equal(code, 10)
  t.match(stderr, /^tcp-recv: failed file\.txt: --exec \.\/hook could not be run: .*ENOENT/m)
})

t.test('2: there is no such program; nothing is made and nobody is let in', async (t) => {
  const folder = t.testdir()
  const args = ['--port', '0', '--exec', './missing', '--out', 'out']
  const { code, stderr } = await runCommand(t, 'tcp-recv', args, { cwd: folder, covered: true })
  t.match({ code, stderr }, { code: 2, stderr: 'tcp-recv: --exec: ./missing does not exist\n' })
  t.notOk(existsSync(join(folder, 'out')))
})

t.test('warns once of a command that was written for a shell, and runs it as it is', async (t) => {
  const folder = t.testdir({ a: 'one', b: 'two' })
  const args = ['--once', '--exec', 'echo $HOME && ls', '--out', 'out']
  const receiver = await startReceiver(t, args, { cwd: folder, covered: true })
  t.equal((await sendTo(t, receiver, ['a', 'b'], { cwd: folder })).code, 0)
  const { code, stderr } = await receiver.done
  t.equal(code, 0)
  t.equal(
    stderr.match(/--exec uses no shell, so \$HOME is passed to the program unchanged; for a shell: --exec "sh -c/g)
      ?.length,
    1,
  )
  t.equal(stderr.match(/^\$HOME && ls$/gm)?.length, 2)
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  t.test(
    `${signal} ends the program first, and then the receiver with ${status}, with or without --once`,
    async (t) => {
      const folder = t.testdir({ a: 'one' })
      const slow = `trap 'echo tidied >>log; kill $!; exit 1' TERM; sleep 60 & echo "started $$"; wait`
      writeFileSync(join(folder, 'slow.sh'), slow)
      for (const once of [[], ['--once']]) {
        const args = [...once, '--exec', 'sh slow.sh', '--out', 'out', '--json']
        const receiver = await startReceiver(t, args, { cwd: folder })
        t.equal((await sendTo(t, receiver, ['a'], { cwd: folder })).code, 0)
        const [, pid] = await receiver.says('stderr', /^started (\d+)$/m)
        const { code, stdout, stderr } = await receiver.kill(signal)
        t.equal(code, status)
        t.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' })
        t.notMatch(stderr, /bug|aborted/)
        const events = readEvents(t, stdout)
        const failed = events.flatMap((event) => (event.event === 'failed' ? [event.code] : []))
        t.same([...new Set(failed)].length, 1)
        t.not(failed[0], 'hook')
        t.match(only(events, 'done'), { files: 1, exitCode: status })
      }
      t.equal(readFileSync(join(folder, 'log'), 'utf8'), 'tidied\ntidied\n')
    },
  )
}

t.test('a second signal does not wait for the program', async (t) => {
  const folder = t.testdir({ a: 'one' })
  const deaf = `process.on('SIGTERM', () => console.log('heard'))
    console.log('started ' + process.pid)
    setInterval(() => {}, 1000)`
  writeFileSync(join(folder, 'deaf.cjs'), deaf)
  const exec = `'${process.execPath}' deaf.cjs`
  const receiver = await startReceiver(t, ['--exec', exec, '--out', 'out'], { cwd: folder })
  t.equal((await sendTo(t, receiver, ['a'], { cwd: folder })).code, 0)
  const [, pid] = await receiver.says('stderr', /^started (\d+)$/m)
  t.teardown(() => process.kill(Number(pid), 'SIGKILL'))
  receiver.child.kill('SIGTERM')
  await receiver.says('stderr', /^heard$/m)
  receiver.child.kill('SIGINT')
  // The program holds its standard error open, so the end is that of the process.
  await new Promise((resolve) => receiver.child.once('exit', resolve))
  t.equal(receiver.child.exitCode, 130)
})
