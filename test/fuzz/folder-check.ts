/** The folder of a receiver, and what is beside it: what may be there after a batch. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { digest } from '../fixtures/peer-frames.ts'
import { mayBecome, type Whole } from './conversations.ts'

/** What was in the folder before. */
const taken: Record<string, string> = {
  taken: 'old',
  'taken.txt': 'old text',
  'folder/i1': 'old item',
  'photos/a.txt': 'old',
}

export function prepare(root: string): string {
  const out = join(root, 'out')
  mkdirSync(join(root, 'canary'), { recursive: true })
  writeFileSync(join(root, 'canary', 'x'), 'canary')
  for (const [path, text] of Object.entries(taken)) {
    mkdirSync(dirname(join(out, path)), { recursive: true })
    writeFileSync(join(out, path), text)
  }
  symlinkSync('../canary/x', join(out, 'link-out'))
  symlinkSync('../../canary', join(out, 'folder', 'i2'))
  return out
}

/** Everything in a folder by its path: the digest of a file, `-> target` of a symlink, `/` for a directory. */
export function listing(folder: string, prefix = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of readdirSync(join(folder, prefix))) {
    const path = prefix + name
    const stats = lstatSync(join(folder, path))
    if (stats.isSymbolicLink()) found.set(path, `-> ${readlinkSync(join(folder, path))}`)
    else if (stats.isFile()) found.set(path, digest(readFileSync(join(folder, path))))
    else {
      found.set(path, '/')
      for (const [inner, what] of listing(folder, `${path}/`)) found.set(inner, what)
    }
  }
  return found
}

const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

/** @param wholes what the senders of the batch have sent whole */
export function folderProblems(root: string, wholes: readonly Whole[], ifExists: string): string[] {
  const problems: string[] = []
  const beside = readdirSync(root).sort().join(' ')
  const canary = [...listing(join(root, 'canary'))].join(' ')
  if (beside !== 'canary out' || canary !== `x,${digest('canary')}`)
    problems.push('something outside of the folder changed')
  const found = listing(join(root, 'out'))
  const before: Record<string, string> = { 'link-out': '-> ../canary/x', 'folder/i2': '-> ../../canary' }
  for (const [path, text] of Object.entries(taken)) before[path] = digest(text)
  for (const [path, what] of Object.entries(before)) {
    if (ifExists !== 'overwrite' && found.get(path) !== what) problems.push('what was there before has changed')
  }
  for (const [path, what] of found) {
    if (/^\.tcp-recv(\/|$)/.test(path)) {
      // What came of a directory before the connection broke is kept for another try.
      if (!/^\.tcp-recv(\/kept(\/.*)?)?$/s.test(path)) problems.push('the staging folder is left')
    } else if (unprintable.test(path.replace(/[\n\t]/g, '')) || /^[^/]*[\n\t]/.test(path))
      problems.push('an unsafe name')
    else if (what.startsWith('-> ') && before[path] !== what && leadsOut(path, what.slice(3)))
      problems.push('a symlink leads out')
    else if (!what.startsWith('-> ') && what !== '/' && before[path] !== what && !wasSent(path, what, wholes)) {
      problems.push('a file that was not sent whole is there')
    }
  }
  return [...new Set(problems)]
}

function leadsOut(path: string, target: string): boolean {
  // Within the directory that was sent.
  return target.startsWith('/') || normalize(join(dirname(path), target)).split('/')[0] !== path.split('/')[0]
}

function wasSent(path: string, blake3: string, wholes: readonly Whole[]): boolean {
  const [top = '', ...rest] = path.split('/')
  return wholes.some(({ kind, name, files, blake3: own }) => {
    if (!mayBecome(name, top)) return false
    return kind === 'directory'
      ? files.get(rest.join('/')) === blake3
      : kind === 'file' && own === blake3 && rest.length === 0
  })
}
