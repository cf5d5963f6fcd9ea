/** What the commands make of a poor start: a removed working directory, few descriptors, an old Node.js. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { commandLine, runCommand, shell, start, startReceiver } from '../fixtures/commands.js'
import { filesIn } from '../fixtures/folder.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 3
const parallel = { buffered: true }

const root = fileURLToPath(new URL('../..', import.meta.url))
/** What the bundle is made of, beside the bundle itself: each loads its modules in its own way. */
const unbundled = {
  SEND: [process.execPath, ...commandLine('tcp-send', true)].join(' '),
  RECV: [process.execPath, ...commandLine('tcp-recv', true)].join(' '),
}
const REMOVED = 'mkdir gone && cd gone && rmdir ../gone'
const RECEIVE = '$RECV --host 127.0.0.1 --port 0'

for (const [what, commands] of Object.entries({ unbundled, bundled: {} })) {
  t.test(`a removed working directory keeps nobody from help and absolute paths (${what})`, parallel, async (t) => {
    const folder = t.testdir({ file: 'hello' })
    for (const command of ['$SEND --version', '$RECV --version', '$SEND --help', '$RECV --completion bash']) {
      const { code, stdout, stderr } = await shell(t, `${REMOVED}; ${command}`, commands, { cwd: folder }).done
      t.match({ code, stderr }, { code: 0, stderr: '' }, command)
      t.not(stdout, '')
    }
    const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
    const variables = { ...commands, PORT: receiver.port, FOLDER: folder }
    const script = `${REMOVED}; $SEND --receipt "$FOLDER/receipt" "$FOLDER/file" 127.0.0.1 $PORT`
    t.equal((await shell(t, script, variables, { cwd: folder }).done).code, 0)
    t.equal((await receiver.done).code, 0)
    t.same(filesIn(`${folder}/out`), { file: 'hello' })
    const idle = await shell(t, `${REMOVED}; ${RECEIVE} --wait 0.1 --out "$FOLDER/out"`, variables, { cwd: folder })
      .done
    t.equal(idle.code, 9)
  })
}

t.test(`a removed working directory is named where it is needed`, parallel, async (t) => {
  for (const [command, path] of [
    ['$SEND --wait 9 file 127.0.0.1 1', 'file'],
    ['$SEND --wait 9 /dev/null ./file 127.0.0.1 1', './file'],
    ['$SEND --wait 9 --receipt here --text x 127.0.0.1 1', 'here'],
    [RECEIVE, '.'],
    [`${RECEIVE} --out out`, 'out'],
    [`${RECEIVE} --out / --receipt here`, 'here'],
  ] as const) {
    const { code, stdout, stderr } = await shell(t, `${REMOVED}; ${command}`, {}, { cwd: t.testdir() }).done
    t.match({ code, stdout }, { code: 8, stdout: '' }, command)
    t.match(stderr, /^tcp-(send|recv): failed: cannot use .*: the working directory was removed; .*\n$/)
    t.match(stderr, `cannot use ${path}: `)
  }
  const json = await shell(t, `${REMOVED}; ${RECEIVE} --json`, {}, { cwd: t.testdir() }).done
  t.match(only(readEvents(t, json.stdout), 'failed'), { transfer: 0, code: 'local-file' })
})

t.test('with few descriptors both commands work, or say in one line what is missing', parallel, async (t) => {
  const folder = t.testdir({ file: 'hello' })
  // What Node itself takes differs from version to version, so it is asked first.
  const probe = 'ulimit -n 60; $NODE -e "console.log(fs.readdirSync(\'/dev/fd\').length)"'
  const taken = Number((await shell(t, probe, { NODE: process.execPath }).done).stdout)
  t.ok(taken > 3 && taken < 40, `${taken} descriptors`)
  const receiver = await startReceiver(t, ['--json', '--out', 'out'], { cwd: folder })
  const variables = { PORT: receiver.port }
  const codes: (number | null)[] = []
  for (const more of [4, 7, 11, 20]) {
    const limit = `ulimit -n ${taken + more}`
    for (const command of ['$SEND file 127.0.0.1 $PORT', `${RECEIVE} --wait 0.1 --out idle`]) {
      const { code, stderr } = await shell(t, `${limit}; ${command}`, variables, { cwd: folder }).done
      t.ok([0, 8, 9].includes(Number(code)), `${limit}; ${command}: ${code} ${stderr}`)
      if (code !== 8) t.notMatch(stderr, 'EMFILE')
      else t.match(stderr, /^tcp-(send|recv): failed: too few files may be opened at once \(EMFILE\); .*ulimit -n\n$/)
      codes.push(code)
    }
  }
  t.same(codes.slice(0, 2), [8, 8])
  t.same(codes.slice(-2), [0, 9])
  t.equal((await receiver.kill('SIGTERM')).code, 143)
})

/** Makes a process believe that it is another version of Node.js. */
const pretending = (version: string) => ({
  preload: `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
})

t.test('2: a version of Node.js that is too old is named, with those that will do', parallel, async (t) => {
  const { engines } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { engines: { node: string } }
  t.equal(engines.node, '^20.20.0 || ^22.22.0 || >=24.13.0', 'as all commands have it')
  for (const name of ['tcp-send', 'tcp-recv', 'tcp-chat'] as const) {
    for (const version of ['18.20.8', '20.19.9', '23.11.0', '24.12.1']) {
      const options = { ...pretending(version), covered: version === '18.20.8' }
      const { code, stdout, stderr } = await runCommand(t, name, ['--version'], options)
      t.match({ code, stdout }, { code: 2, stdout: '' }, version)
      t.equal(stderr, `${name}: Node.js ${version} is not supported; use 20.20+, 22.22+, 24.13 or later\n`)
    }
    for (const version of ['22.22.0', '24.13.0', '25.0.0']) {
      t.equal((await runCommand(t, name, ['--version'], pretending(version))).code, 0, version)
    }
  }
})

t.test('an old Node.js can read the commands: they import nothing until they have looked', parallel, async (t) => {
  const commands = ['send', 'recv'].map((name) => readFileSync(`${root}bin/tcp-${name}.js`, 'utf8'))
  for (const text of commands) t.notMatch(text, /^\s*import\s*[^(]|\bawait\b|\?\.|\?\?/m)
})

t.test('1: a command whose work never settles has not succeeded', parallel, async (t) => {
  const preload = `const { Socket } = await import('node:net'); Socket.prototype.connect = function () { return this.unref() }
    const { setTimeout: never } = globalThis; globalThis.setTimeout = (...args) => never(...args).unref()`
  const { code } = await start(t, 'tcp-send', ['--text', 'x', '127.0.0.1', '1'], { preload }).done
  t.equal(code, 1)
})
