/** Directories whose sender or receiver is killed (SIGKILL), or both: the same commands complete them. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { sendTo, start, startReceiver } from '../fixtures/commands.js'
import { namesIn } from '../fixtures/folder.js'
import { manyFiles, staged } from '../fixtures/many-files.js'
import { makeTree, tellTree } from '../fixtures/tree.js'
import { until } from '../fixtures/turns.js'

const FILES = 300

interface Line {
  event: string
  name?: string
  directory?: string
  resumed?: number
}

const lines = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

/** Kills one side or both as soon as so much is there, which is before the slow sender is done, and runs both again. */
async function killed(
  t: Test,
  folder: string,
  project: string,
  victim: 'sender' | 'receiver' | 'both',
  moment: number,
) {
  const out = join(folder, `${victim}-${moment}`)
  const receiver = await startReceiver(t, ['--out', out, '--one-attempt', '--json'])
  const sender = start(t, 'tcp-send', [project, '127.0.0.1', receiver.port, '--retry', '0', '--limit', '8M'])
  let isOver = false
  void sender.done.then(() => {
    isOver = true
  })
  await until(() => isOver || staged(out) >= moment)
  if (victim === 'both') receiver.child.kill('SIGSTOP')
  if (victim !== 'receiver') await sender.kill('SIGKILL')
  if (victim !== 'sender') await receiver.kill('SIGKILL')
  await Promise.all([sender.done, receiver.done])
  const again = await startReceiver(t, ['--out', out, '--one-attempt', '--json'])
  const { code, stdout } = await sendTo(t, again, [project, '--json'])
  t.equal(code, 0)
  t.equal((await again.done).code, 0)
  t.strictSame(namesIn(out), ['project'])
  t.strictSame(tellTree(join(out, 'project')), tellTree(project))
  for (const events of [lines(stdout), lines(again.stdout)]) {
    const files = events.filter(({ event, directory }) => ['sent', 'stored'].includes(event) && directory !== undefined)
    t.equal(files.length, FILES + 2)
    // What the staging folder holds beside files: the folder of the receiver, the description, and so on.
    const there = files.filter(({ resumed }) => resumed !== undefined).length
    t.ok(there >= moment - 20, `${victim} killed when ${moment} were there: ${there} files need not come`)
  }
}

t.test('whichever side is killed, and whenever, the same commands complete it with what is missing', async (t) => {
  const folder = t.testdir()
  const project = makeTree(join(folder, 'project'), { ...manyFiles(FILES, 'z/large'), 'd1/line\nbreak': 'x' })
  for (const moment of [40, 170, FILES]) {
    const victims = ['sender', 'receiver', 'both'] as const
    await Promise.all(victims.map((victim) => killed(t, folder, project, victim, moment)))
  }
})
