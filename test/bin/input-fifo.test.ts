/** Paths that lead to pipes: FIFOs, and what a shell makes of `<(command)`. They work like `-`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sendTo, shell, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { readEvents } from '../fixtures/json-events.js'
import { makeFifo } from '../fixtures/special-files.js'

t.jobs = 3
const parallel = { buffered: true }

t.test('sends what commands write, beside a file', parallel, async (t) => {
  const folder = t.testdir({ file: 'a file' })
  const receiver = await startReceiver(t, ['--count', '2', '--out', 'out'], { cwd: folder })
  const script = `$SEND <(printf one) file <(printf two) 127.0.0.1:$PORT && $SEND --name three <(printf 3) 127.0.0.1:$PORT`
  const { code, stderr } = await shell(t, script, { PORT: receiver.port }, { cwd: folder, covered: true }).done
  t.equal(code, 0, stderr)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { pipe: 'one', file: 'a file', pipe_bak: 'two', three: '3' })
})

t.test('sends a FIFO under its name, whoever comes first', parallel, async (t) => {
  const folder = t.testdir()
  const content = bytesOf(3_000_001)
  writeFileSync(join(folder, 'content'), content)
  makeFifo(join(folder, 'dump.sql'))
  const receiver = await startReceiver(t, ['--count', '2', '--json', '--out', 'out'], { cwd: folder })
  const sender = start(t, 'tcp-send', ['dump.sql', '127.0.0.1', receiver.port], { cwd: folder, covered: true })
  // The sender has reached the receiver, so it waits for a writer now, or is about to.
  await receiver.says('stdout', /"event":"connected"/)
  t.equal((await shell(t, 'cat content >dump.sql', {}, { cwd: folder }).done).code, 0)
  t.equal((await sender.done).code, 0)
  const later = shell(
    t,
    'cat content >dump.sql & $SEND dump.sql 127.0.0.1 $PORT && wait',
    { PORT: receiver.port },
    { cwd: folder },
  )
  t.equal((await later.done).code, 0)
  t.equal((await receiver.done).code, 0)
  const stored = filesIn(join(folder, 'out'))
  t.same(Object.keys(stored).sort(), ['dump.sql', 'dump_bak.sql'])
  for (const text of Object.values(stored)) t.equal(text, content.toString())
})

t.test('can be interrupted while it waits for a writer', parallel, async (t) => {
  const folder = t.testdir()
  makeFifo(join(folder, 'fifo'))
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const sender = start(t, 'tcp-send', ['fifo', '127.0.0.1', receiver.port], { cwd: folder, covered: true })
  await receiver.says('stdout', /"event":"connected"/)
  t.match(await sender.kill('SIGINT'), { code: 130, stderr: 'tcp-send: interrupted by SIGINT\n' })
  await receiver.says('stdout', /"event":"failed"/)
  const events = readEvents(t, (await receiver.kill('SIGINT')).stdout)
  t.match(
    events.find(({ event }) => event === 'failed'),
    { name: 'fifo', code: 'incomplete' },
  )
  t.same(namesIn(join(folder, 'out')), [])
})

t.test('leaves the writer waiting where no receiver was reached', parallel, async (t) => {
  const folder = t.testdir()
  makeFifo(join(folder, 'fifo'))
  const writer = shell(t, 'echo waiting >&2; printf hello >fifo', {}, { cwd: folder })
  await writer.says('stderr', /waiting/)
  t.equal((await sendTo(t, { port: '1' }, ['fifo'], { cwd: folder })).code, 3)
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
  t.equal((await sendTo(t, receiver, ['fifo'], { cwd: folder })).code, 0)
  t.equal((await writer.done).code, 0)
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { fifo: 'hello' })
})

t.test('goes once to a receiver that connects, and no more often', parallel, async (t) => {
  const folder = t.testdir()
  makeFifo(join(folder, 'fifo'))
  const listen = ['--listen', '--host', '127.0.0.1:0']
  const twice = await start(t, 'tcp-send', [...listen, '--count', '2', 'fifo'], { cwd: folder, covered: true }).done
  t.match(twice, {
    code: 2,
    stderr: 'tcp-send: fifo is a pipe and can be sent only once, so --count does not go with it\n',
  })
  const missing = await start(t, 'tcp-send', [...listen, '--count', '2', 'nothing'], { cwd: folder, covered: true })
    .done
  t.equal(missing.code, 8)
})
