/** A copy of the checkout in the temporary folder. Only the copy is ever changed. */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const checkout = fileURLToPath(new URL('../../', import.meta.url))

/** These mount file systems, which nobody would unmount when a test is killed. */
const leftOut = ['test/interop/exfat.test.ts']

export interface Outcome {
  how: 'passed' | 'failed' | 'timeout'
  seconds: number
}

/** Runs tests as plain JavaScript, which starts ten times as fast as in the test runner. */
export class Workbench {
  readonly root = mkdtempSync(join(tmpdir(), 'tcp-mutation-'))
  #group: number | null = null
  readonly #whole: number

  constructor() {
    process.once('exit', () => this.#remove())
    const isCopied = (path: string) => !['.git', '.tap', 'node_modules'].includes(basename(path))
    cpSync(checkout, this.root, { recursive: true, filter: isCopied })
    symlinkSync(join(checkout, 'node_modules'), join(this.root, 'node_modules'))
    // Commands are to run the code that is mutated, and not a bundle that was made of it before.
    cpSync(join(this.root, 'dist/unbundled'), join(this.root, 'dist/bundle'), { recursive: true })
    for (const path of filesIn(this.root, 'test', '.ts')) {
      const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext }
      const { outputText } = ts.transpileModule(readFileSync(join(this.root, path), 'utf8'), {
        compilerOptions: { ...compilerOptions, rewriteRelativeImportExtensions: true, verbatimModuleSyntax: true },
      })
      writeFileSync(join(this.root, path.replace(/ts$/, 'js')), outputText)
    }
    this.#whole = this.#size()
  }

  /** The paths of all tests, as they are in the checkout. */
  tests(): string[] {
    return filesIn(this.root, 'test', '.test.ts').filter((path) => !leftOut.includes(path))
  }

  /** Runs a test up to its first failure; whatever it has started is gone then. */
  async run(test: string, timeout: number, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const temporary = join(this.root, 'tmp')
    mkdirSync(temporary, { recursive: true })
    const settings = { TAP_BAIL: '1', TAP_TIMEOUT: String(timeout), TMPDIR: temporary }
    const start = performance.now()
    const child = spawn(process.execPath, [test.replace(/ts$/, 'js')], {
      cwd: this.root,
      detached: true,
      // Some tests tell a closed standard output from an open one, and that cannot be done with /dev/null.
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...settings, ...env },
    })
    child.stdout.resume()
    child.stderr.resume()
    this.#group = child.pid as number
    sacrifice(this.#group)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#kill()
    }, timeout * 1000)
    const status = await new Promise((resolve) => child.once('exit', resolve))
    clearTimeout(timer)
    this.#kill()
    this.#group = null
    const seconds = (performance.now() - start) / 1000
    if (status !== 0) this.#cleanUp(temporary)
    return { how: isLate ? 'timeout' : status === 0 ? 'passed' : 'failed', seconds }
  }

  /** Throws if a mutant has removed files of the copy: everything would fail from then on. */
  #cleanUp(temporary: string): void {
    for (const left of [temporary, join(this.root, '.tap')])
      rmSync(left, { recursive: true, force: true, maxRetries: 3 })
    if (this.#size() !== this.#whole) throw new Error(`${this.root} has been damaged`)
  }

  #size(): number {
    return ['dist', 'src', 'test'].reduce((sum, folder) => sum + filesIn(this.root, folder, '').length, 0)
  }

  /** Ends what still runs, also commands that have a process group of their own. */
  #kill(): void {
    const pids = processesIn(this.root)
    for (const pid of this.#group === null ? pids : [-this.#group, ...pids]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
  }

  #remove(): void {
    this.#kill()
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10 })
  }
}

/** The processes that work in this folder or run code from it; on Linux. */
function processesIn(root: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => {
      try {
        const folder = readlinkSync(`/proc/${name}/cwd`)
        return folder.startsWith(root) || readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(root)
      } catch {
        return false
      }
    })
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
}

/** A loop without end may take all memory: then it is to be this process that the kernel ends. */
function sacrifice(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
  } catch {
    // Not on Linux, or ended already.
  }
}

/** The paths from `root` of all files below `folder` with this ending. */
export function filesIn(root: string, folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort()
}
