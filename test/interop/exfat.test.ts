/** Storing on a stick: see fixtures/exfat.ts for what it has not. */
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, sendTo, startReceiver } from '../fixtures/commands.ts'
import { mountStick } from '../fixtures/exfat.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { only, readEvents } from '../fixtures/json-events.ts'

/** The name under which a receiver says that it has stored what is sent now. */
async function send(t: Test, receiver: { port: string }, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await sendTo(t, receiver, ['--json', ...args], { cwd })
  t.equal(code, 0, stderr)
  return only(readEvents(t, stdout), 'sent').storedAs
}

const files = { README: 'one', readme: 'two', 'file.txt': 'three' }

for (const [options, isOpen] of [
  ['umask=0', true],
  ['umask=022', true],
  ['umask=077', false],
] as const) {
  t.test(`with ${options}`, async (t) => {
    const { folder, skip } = mountStick(t, options)
    if (skip !== false) {
      t.comment(skip)
      t.pass('mounted', { skip })
      return
    }
    const source = t.testdir(files)
    utimesSync(join(source, 'file.txt'), 1_000, 1_500_000_000)
    const out = join(folder, 'new', 'out')

    await t.test('stores, beside what is there without regard to case', async (t) => {
      const receiver = await startReceiver(t, ['--json', '--out', out, '--count', '4'])
      // Another receiver comes while the staging folder is in use.
      t.equal(await send(t, receiver, ['README'], source), 'README')
      const other = await startReceiver(t, ['--json', '--out', out, '--once'])
      t.equal(await send(t, other, ['readme'], source), 'readme_bak')
      t.equal(await send(t, receiver, ['readme'], source), 'readme_bak2')
      t.equal(await send(t, receiver, ['file.txt'], source), 'file.txt')
      t.equal(await send(t, receiver, ['--name', 'é b', 'file.txt'], source), 'é b')
      for (const { code, stdout, stderr } of await Promise.all([receiver.done, other.done])) {
        t.equal(code, 0, stderr)
        const warnings = readEvents(t, stdout).flatMap((event) => (event.event === 'warning' ? [event.reason] : []))
        t.same(warnings, isOpen ? ['no-permissions'] : [])
      }
      t.same(filesIn(out), {
        README: 'one',
        readme_bak: 'two',
        readme_bak2: 'two',
        'file.txt': 'three',
        'é b': 'three',
      })
      t.equal(statSync(join(out, 'file.txt')).mtimeMs, 1_500_000_000_000)
      t.notOk(namesIn(out).includes('.tcp-recv'), 'no staging folder is left')
    })

    await t.test('replaces', async (t) => {
      const receiver = await startReceiver(t, ['--json', '--out', out, '--once', '--if-exists', 'overwrite'])
      t.equal(await send(t, receiver, ['--name', 'file.txt', 'README'], source), 'file.txt')
      t.equal((await receiver.done).code, 0)
      t.equal(readFileSync(join(out, 'file.txt'), 'utf8'), 'one')
    })

    await t.test('refuses a name that the stick cannot hold, and goes on', async (t) => {
      const before = readdirSync(out)
      const receiver = await startReceiver(t, ['--out', out, '--count', '1'])
      const refused = await sendTo(t, receiver, ['--name', 'a:b.log', 'README'], { cwd: source })
      t.equal(refused.code, 5)
      const reason = 'the name "a:b.log" is refused: the file system there cannot hold it'
      t.match(refused.stderr, reason)
      await sendTo(t, receiver, ['--name', 'a_b.log', 'README'], { cwd: source })
      const { code, stderr } = await receiver.done
      t.equal(code, 0, stderr)
      t.match(stderr, reason)
      t.equal(stderr.includes('warning: '), isOpen)
      for (const said of [refused.stderr, stderr]) t.notMatch(said, /no such file/)
      t.same(readdirSync(out).sort(), [...before, 'a_b.log'].sort())
    })

    await t.test('says that the stick can hold no folder of that name', async (t) => {
      const args = ['--host', '127.0.0.1', '--port', '0', '--out', 'a:b']
      const { code, stderr } = await runCommand(t, 'tcp-recv', args, { cwd: folder })
      t.equal(code, 8)
      t.equal(
        stderr,
        'tcp-recv: failed: cannot make the folder a:b: the file system takes no folder of that name there\n',
      )
    })
  })
}
