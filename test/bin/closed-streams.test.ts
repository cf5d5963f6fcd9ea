/** Standard streams that were closed before the commands began. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { portOf, sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { filesIn, namesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 3
const parallel = { buffered: true, skip: !existsSync('/proc/self/fdinfo') && 'what was closed cannot be seen here' }

const RECEIVE = '$RECV --host 127.0.0.1 --port 0'

/** Every command line that asks for data where there is nothing, and what it says. */
const lost: [script: string, message: RegExp][] = [
  [`${RECEIVE} --out - >&-`, /^tcp-recv: failed: standard output is closed .* use >\/dev\/null\n$/],
  ['$SEND - 127.0.0.1 1 <&-', /^tcp-send: failed: standard input is closed .* use <\/dev\/null\n$/],
  ['$SEND --text - 127.0.0.1 1 <&-', /^tcp-send: failed: standard input is closed/],
  ['$SEND - 127.0.0.1 1 <&- >&-', /^tcp-send: failed: standard input is closed/],
]

for (const [script, message] of lost) {
  t.test(`8: ${script}`, parallel, async (t) => {
    const folder = t.testdir({ file: '' })
    const { code, stdout, stderr } = await shell(t, script, {}, { cwd: folder }).done
    t.equal(code, 8)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.equal(stderr.split('\n').length, 2, 'one line')
    t.same(namesIn(folder), ['file'], 'nothing was begun')
  })
}

t.test('8: with the events of --json, where these can be written', parallel, async (t) => {
  for (const [script, stream, name] of [
    ['$SEND --json - 127.0.0.1 1 <&-', 'stdout', 'standard input'],
    [`${RECEIVE} --json --out - >&-`, 'stderr', 'standard output'],
  ] as const) {
    const ended = await shell(t, script).done
    t.equal(ended.code, 8)
    const events = readEvents(t, ended[stream])
    t.match(only(events, 'failed'), { transfer: 0, code: 'local-file', message: `${name} is closed` })
    t.equal(only(events, 'done').exitCode, 8)
  }
})

t.test('what is discarded on purpose is no error', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const receiver = shell(t, `${RECEIVE} --out - >/dev/null`)
  const PORT = await portOf(receiver)
  const sender = await shell(t, '$SEND --json - 127.0.0.1 $PORT </dev/null >/dev/null', { PORT }, { cwd: folder }).done
  t.match(sender, { code: 0, stdout: '', stderr: '' })
  t.equal((await receiver.done).code, 0)
})

t.test('a receiver whose paths go nowhere goes on, and so does a sender whose events do', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  const closed = shell(t, `${RECEIVE} --once --out out <&- >&-`, {}, { cwd: folder })
  const PORT = await portOf(closed)
  const script = '$SEND --json file 127.0.0.1 $PORT <&- >&- 2>&-'
  t.match(await shell(t, script, { PORT }, { cwd: folder }).done, { code: 0, stdout: '', stderr: '' })
  t.equal((await closed.done).code, 0)
  // As a program starts a daemon: Node opens /dev/null for both directions here.
  const file = join(folder, 'log')
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const daemon = await startReceiver(t, ['--once', '--out', 'out', '--receipt', file], {
    cwd: folder,
    stdio: [...stdio],
  })
  t.equal((await sendTo(t, daemon, ['file'], { cwd: folder })).code, 0)
  t.equal((await daemon.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { file: 'hello', file_bak: 'hello' })
  t.match(readFileSync(file, 'utf8'), /file_bak\n$/)
})

t.test('who only asks for the version wants its exit status', parallel, async (t) => {
  for (const name of ['tcp-send', 'tcp-recv'] as const) {
    t.equal((await start(t, name, ['--version'], { stdio: ['ignore', 'ignore', 'ignore'] }).done).code, 0)
  }
})
