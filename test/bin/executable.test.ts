/** The commands as one file without Node.js: `npm run build:executable`. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { portOf, Running } from '../fixtures/commands.ts'
import { key } from '../fixtures/keys.ts'

// Some distributions keep most of Node.js in a library of its own, which the executable would need.
const skip = Object(process.config.variables).node_shared ? 'this Node.js is not in one file' : false

const built = resolve('dist/executable')
const data = Buffer.alloc(3_000_000, 'one file without Node.js ')

/** Runs an executable with no environment but `variables`: it has no path on which it could find anything. */
function runBare(t: Test, file: string, args: string[], variables: string[] = [], input?: Buffer): Running {
  return new Running(t, 'env', ['-i', ...variables, file, ...args], input ? { input } : {})
}

function run(t: Test, name: string, args: string[], variables?: string[], input?: Buffer): Running {
  return runBare(t, join(built, name), args, variables, input)
}

async function receive(t: Test, args: string[], variables?: string[]) {
  const running = run(t, 'tcp-recv', ['--host', '127.0.0.1', '--port', '0', ...args], variables)
  return { running, port: await portOf(running) }
}

t.test('one file without Node.js', { skip }, async (t) => {
  execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, 'scripts/build-executable.js'], { stdio: 'pipe' })
  const { version, bin } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.strictSame(readdirSync(built).sort(), Object.keys(bin).sort())

  await t.test('is each command by its name', async (t) => {
    for (const name of Object.keys(bin)) {
      t.match(await run(t, name, ['--version']).done, { code: 0, stdout: `${version}\n` })
      t.match((await run(t, name, ['--help']).done).stdout, new RegExp(`^${name} `))
    }
    const root = t.testdir({})
    copyFileSync(join(built, 'tcp-recv'), join(root, 'tcp-recv-1.0-linux'))
    linkSync(join(built, 'tcp-recv'), join(root, 'mover'))
    const other = (name: string) => runBare(t, join(root, name), ['--help']).done
    t.match((await other('tcp-recv-1.0-linux')).stdout, /^tcp-recv /)
    t.match((await other('mover')).stdout, /^tcp-send /)
  })

  await t.test('sends a file', async (t) => {
    const root = t.testdir({ out: {} })
    writeFileSync(join(root, 'file.txt'), data)
    const { running, port } = await receive(t, ['--out', join(root, 'out'), '--once'])
    t.match(await run(t, 'tcp-send', [join(root, 'file.txt'), '127.0.0.1', port]).done, { code: 0 })
    t.match(await running.done, { code: 0, stdout: `${join(root, 'out', 'file.txt')}\n` })
    t.ok(readFileSync(join(root, 'out', 'file.txt')).equals(data))
  })

  await t.test('sends through pipes with a key, where no temporary file can be made', async (t) => {
    const root = t.testdir({})
    mkdirSync(join(root, 'out'))
    const variables = [`TCP_TRANSFER_KEY=${key}`, `TMPDIR=${join(root, 'missing')}`]
    const { running, port } = await receive(t, ['--out', '-'], variables)
    const sender = run(t, 'tcp-send', ['-', '127.0.0.1', port], variables, data)
    t.match(await sender.done, { code: 0 })
    const { code, stdout } = await running.done
    t.equal(code, 0)
    t.ok(Buffer.from(stdout).equals(data))
  })

  await t.test('refuses what is not in it as the commands do', async (t) => {
    t.match(await run(t, 'tcp-send', []).done, { code: 2 })
  })
})
