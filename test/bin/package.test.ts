import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as library from '../../dist/index.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

t.test('installs the three commands, as files that run node', async (t) => {
  t.same(manifest.bin, {
    'tcp-send': 'bin/tcp-send.js',
    'tcp-recv': 'bin/tcp-recv.js',
    'tcp-chat': 'bin/tcp-chat.js',
  })
  for (const path of Object.values<string>(manifest.bin)) {
    t.match(readFileSync(root + path, 'utf8'), /^#!\/usr\/bin\/env node\n/)
    t.equal(statSync(root + path).mode & 0o111, 0o111, 'it is executable')
  }
})

/** The files that `imports` and `exports` of the manifest lead to. */
function targets(conditions: object): string[] {
  return Object.values(conditions).flatMap((target) => (typeof target === 'string' ? [target] : targets(target)))
}

t.test('exports the library with its types, and every path of the manifest exists', async (t) => {
  t.same(Object.keys(library).toSorted(), [
    'EVENTS_VERSION',
    'TransferError',
    'chat',
    'cleanPartial',
    'exitCodes',
    'list',
    'listPartial',
    'reasons',
    'receive',
    'send',
  ])
  const paths = [...targets(manifest.exports), ...targets(manifest.imports), ...manifest.man]
  for (const path of paths) t.ok(existsSync(root + path), path)
})

t.test('asks for the versions of node whose TLS is safe, and runs on this one', async (t) => {
  t.equal(manifest.engines.node, '^20.20.0 || ^22.22.0 || >=24.13.0')
  t.equal(manifest.type, 'module')
})

t.test('packs what runs and what the README shows, and nothing else', async (t) => {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel', 'error']
  const { stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' })
  t.equal(stderr, '')
  const paths: string[] = JSON.parse(stdout)[0].files.map((file: { path: string }) => file.path)
  const expected =
    /^(bin\/tcp-(send|recv|chat)\.js|dist\/[\w./-]+\.js|dist\/types\.d\.ts|dist\/bundle\/(?:(?:send|receive|chat)-command|cpace)\.cjs|dist\/man\/tcp-(send|recv|chat)\.1|[A-Z]+\.md|LICENSE|package\.json)$/
  const shown =
    /^(src\/protocol|bench|scripts\/conformance)\/README\.md$|^(bench|scripts)\/[\w-]+\.(json|svg)$|^(deploy|fixtures\/python)\//
  for (const path of paths) t.ok(expected.test(path) || shown.test(path), path)
  const links = readFileSync(`${root}README.md`, 'utf8').matchAll(/\]\(([^)#:]+)[^):]*\)/g)
  for (const [, link = ''] of links)
    t.ok(
      paths.some((path) => path === link || path.startsWith(`${link}/`)),
      link,
    )
  for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/types.d.ts', 'API.md']) {
    t.ok(paths.includes(path), path)
  }
  const bundles = Object.values<{ default: string }>(manifest.imports).map((conditions) => conditions.default)
  for (const path of [...targets(manifest.bin), ...bundles, ...manifest.man]) {
    t.ok(paths.includes(path.replace('./', '')), path)
  }
})

t.test('the lock file names no registry', async (t) => {
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'))
  const packages = Object.entries<{ resolved?: string; version: string; integrity?: string }>(lock.packages)
  t.ok(packages.length > 10)
  t.same(
    packages.filter(([, { resolved }]) => resolved !== undefined).map(([name]) => name),
    [],
  )
  const unchecked = packages.filter(([name, { integrity }]) => name !== '' && integrity === undefined)
  t.same(
    unchecked.map(([name]) => name),
    [],
    'each has its checksum',
  )
  t.equal(lock.version, manifest.version)
})

t.test('no tracked file holds a path of the machine it was written on, or the address of a registry', async (t) => {
  const { stdout, status } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) {
    t.pass('tracked files', { skip: 'this is no git repository' })
    return
  }
  const paths = stdout.split('\0').filter((path) => path !== '' && existsSync(root + path))
  t.ok(paths.includes('package.json'))
  // Put together here, so that this file does not hold what it looks for.
  const places = [
    root,
    `${homedir()}/`,
    `/${'root'}/`,
    `/${'work'}/`,
    ['registry', 'npmjs'].join('.'),
    ['registry', 'yarnpkg'].join('.'),
  ]
  for (const path of paths) {
    const text = readFileSync(root + path, 'latin1')
    t.same(
      places.filter((place) => text.includes(place)),
      [],
      path,
    )
  }
})

t.test('the bundle that users get says the same as the code that it is made of', async (t) => {
  for (const path of Object.values<string>(manifest.bin)) {
    const [bundled, unbundled] = [[], ['--conditions=unbundled']].map((code) => {
      // The coverage of a bundle says nothing, so it is not followed.
      const { status, stdout } = spawnSync(
        'env',
        ['-u', 'NODE_OPTIONS', process.execPath, ...code, root + path, '--help'],
        {
          encoding: 'utf8',
        },
      )
      return { status, stdout }
    })
    t.equal(bundled?.status, 0)
    t.same(bundled, unbundled)
  }
})
