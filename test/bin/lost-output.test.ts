/** What a command is to print, and cannot: its reader has gone, or the disk behind it is full. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { portOf, sendTo, shell, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 3
const parallel = { buffered: true }
const onFullDisk = { ...parallel, skip: !existsSync('/dev/full') && 'there is no /dev/full' }

const RECEIVE = '$RECV --host 127.0.0.1 --port 0'
const FULL = 'cannot write to standard output: no space left on device (ENOSPC)'
const GONE = 'cannot write to standard output: broken pipe (EPIPE)'

/** Standard output without a reader: the reader is gone before the command begins. */
const unread = (script: string) => `exec 3> >(true); wait $!; ${script} >&3`

t.test('help, version and completion say that they could not be printed', onFullDisk, async (t) => {
  for (const args of ['--help', '--version', '--completion bash']) {
    for (const command of ['SEND', 'RECV']) {
      const { code, stderr } = await shell(t, `$${command} ${args} >/dev/full`).done
      t.equal(code, 8)
      t.match(stderr, /^tcp-(send|recv): failed: cannot write to standard output: .*\(ENOSPC\)\n$/)
    }
  }
  const { code, stderr } = await shell(t, unread('$SEND --version'), {}, { covered: true }).done
  t.match({ code, stderr }, { code: 8, stderr: `tcp-send: failed: ${GONE}\n` })
})

t.test('wrong usage has its exit status where nobody can be told', onFullDisk, async (t) => {
  t.equal((await shell(t, '$SEND --nonsense 2>/dev/full', {}, { covered: true }).done).code, 2)
})

t.test(
  'a receiver that cannot print a path ends with 8; its file stays, and the sender knows',
  onFullDisk,
  async (t) => {
    for (const [script, message] of [
      [`${RECEIVE} --once --out out >/dev/full`, FULL],
      [unread(`${RECEIVE} --once --out out`), GONE],
      [`${RECEIVE} --out out >/dev/full`, FULL],
      [`${RECEIVE} --count 2 --out out >/dev/full`, FULL],
    ] as const) {
      const folder = t.testdir({ a: 'one' })
      const receiver = shell(t, script, {}, { cwd: folder })
      const port = await portOf(receiver)
      const sender = await sendTo(t, { port }, ['--json', 'a'], { cwd: folder })
      t.equal(sender.code, 0, script)
      t.match(only(readEvents(t, sender.stdout), 'sent'), { storedAs: 'a' })
      const { code, stderr } = await receiver.done
      t.equal(code, 8, script)
      t.match(stderr, message)
      t.equal(stderr.match(/failed/g)?.length, 1)
      t.same(filesIn(join(folder, 'out')), { a: 'one' })
    }
  },
)

t.test('8, with a line, where no JSON can be written, on either side', onFullDisk, async (t) => {
  const folder = t.testdir({ big: bytesOf(3_000_000) })
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  for (const [script, message] of [
    ['$SEND --json big 127.0.0.1 $PORT >/dev/full', FULL],
    [unread('$SEND --quiet --json big 127.0.0.1 $PORT'), GONE],
  ] as const) {
    const { code, stdout, stderr } = await shell(t, script, { PORT: receiver.port }, { cwd: folder }).done
    t.match({ code, stdout, stderr }, { code: 8, stdout: '', stderr: `tcp-send: failed: ${message}\n` })
  }
  const { stdout } = await receiver.kill('SIGTERM')
  t.notMatch(stdout, /its disk|the file/, 'nothing is said of a disk')
  for (const [script, message] of [
    [`${RECEIVE} --json --out out >/dev/full`, FULL],
    [unread(`${RECEIVE} --json --out out`), GONE],
  ] as const) {
    const { code, stdout, stderr } = await shell(t, script, {}, { cwd: folder }).done
    t.match({ code, stdout, stderr }, { code: 8, stdout: '', stderr: `tcp-recv: failed: ${message}\n` })
  }
})

t.test('the other side hears that it is the output that fails', parallel, async (t) => {
  const folder = t.testdir({ big: bytesOf(3_000_000) })
  // The reader takes the first line, closes the pipe, and only then tells the port.
  const reader = '{ line=$(head -n 1); exec <&-; echo "$line" >&2; }'
  const receiver = shell(t, `${RECEIVE} --json --out out | ${reader}`, {}, { cwd: folder })
  const port = await portOf(receiver)
  const sender = await sendTo(t, { port }, ['--json', 'big'], { cwd: folder })
  const failed = only(readEvents(t, sender.stdout), 'failed')
  t.match(failed, { reason: 'output', message: /it cannot write its own output$/ })
  t.equal(sender.code, 5)
  const { code, stderr } = await receiver.done
  t.equal(code, 8)
  t.match(stderr, new RegExp(`^tcp-recv: failed( big)?: ${GONE.replace(/[()]/g, '\\$&')}$`, 'm'))
  t.same(namesIn(join(folder, 'out')), [])
})

t.test('a failure whose JSON is lost is told, with its own exit status', onFullDisk, async (t) => {
  const { code, stderr } = await shell(t, '$SEND --json missing 127.0.0.1 1 >/dev/full', {}, { cwd: t.testdir() }).done
  t.equal(code, 8)
  t.equal(stderr, 'tcp-send: failed: cannot read missing: no such file or directory (ENOENT)\n')
})
