/**
 * Draws `scripts/picture.svg`: two terminals in which the commands really run. Needs `script` (package bsdutils).
 *
 *     npm run picture
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Terminal } from '../test/fixtures/terminal.ts'
import { draw, type Frame } from './picture-svg.ts'

const COLUMNS = 100
const PORT = 9000
/** The size of the file: large enough for a bar that moves. */
const SIZE = 2_000_000_000
/** The pauses of a person who types, in milliseconds. */
const [BEFORE_TYPING, AFTER_TYPING, AT_THE_END] = [700, 400, 4_000]

const root = resolve('.')
const folder = mkdtempSync(join(tmpdir(), 'picture-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const image = Buffer.alloc(SIZE)
// What is sent must not be compressible.
for (let at = 0; at < SIZE; at += 100_000_000) randomFillSync(image, at, Math.min(100_000_000, SIZE - at))
writeFileSync(join(folder, 'disk.img'), image)
cpSync(join(root, 'src'), join(folder, 'project'), { recursive: true })

const start = performance.now()

/** A terminal, and what it has shown at which time. */
class Window {
  readonly frames: Frame[] = []
  readonly #terminal = new Terminal(COLUMNS)

  write(text: string): void {
    this.#terminal.write(text.replaceAll('\r\n', '\n'))
    this.frames.push({ at: performance.now() - start, rows: this.#terminal.screen })
  }

  /** Types a command, and runs it. */
  async type(command: string): Promise<ChildProcess> {
    await sleep(BEFORE_TYPING)
    this.write(`$ ${command}`)
    await sleep(AFTER_TYPING)
    this.write('\n')
    const [name = '', ...args] = command.split(' ')
    const line = ['stty', 'cols', COLUMNS, ';', 'exec', process.execPath, join(root, 'bin', `${name}.js`), ...args]
    const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line.join(' '), '/dev/null'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.write(text))
    return child
  }
}

const [here, there] = [new Window(), new Window()]
const receiver = await here.type(`tcp-recv --port ${PORT} --out dir`)
await new Promise((resolve) => receiver.stdout?.once('data', resolve))
for (const what of ['disk.img', 'project']) {
  const sender = await there.type(`tcp-send ${what} localhost ${PORT}`)
  const status = await new Promise((resolve) => sender.once('close', resolve))
  if (status !== 0) throw new Error(`tcp-send ended with ${status}`)
}
await sleep(BEFORE_TYPING)
receiver.kill()
const titles = ['the machine that wants the file', 'the machine that has it'] as const
const windows = [here, there].map(({ frames }, index) => ({ title: String(titles[index]), frames }))
writeFileSync('scripts/picture.svg', draw(windows, { columns: COLUMNS, end: performance.now() - start + AT_THE_END }))
