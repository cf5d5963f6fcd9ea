/**
 * Makes `dist/executable/tcp-send`: all commands and Node.js in one file, which needs nothing else on a machine like
 * this one. It holds the Node.js that runs this script. The other commands are links to it.
 *
 *     npm run build:executable
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { build } from 'esbuild'
import { asciiHelp, builtMimeTypes } from './esbuild-plugins.js'

const require = createRequire(import.meta.url)
const { bin, version } = JSON.parse(readFileSync('package.json', 'utf8'))
const [first, ...others] = ['tcp-send', ...Object.keys(bin).filter((name) => name !== 'tcp-send')]
const suffix = process.platform === 'win32' ? '.exe' : ''
const folder = 'dist/executable'
const executable = `${folder}/${first}${suffix}`
/** Node.js looks for this in its own file (Node.js documentation, "Single executable applications"). */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

const addon = findAddon()
if (addon === null) console.warn('There is no native BLAKE3 for this machine: the digest will be slower.')

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
await bundle()
writeFileSync(
  `${folder}/sea.json`,
  JSON.stringify({
    main: `${folder}/main.cjs`,
    output: hasBuilder() ? executable : `${folder}/blob`,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    assets: addon === null ? {} : { 'blake3.node': addon.path },
  }),
)
if (hasBuilder()) node(`--build-sea=${folder}/sea.json`)
else await inject()
if (process.platform === 'darwin') execFileSync('codesign', ['--sign', '-', '--force', executable])
for (const name of ['main.cjs', 'sea.json', 'blob']) rmSync(`${folder}/${name}`, { force: true })
for (const name of others) linkSync(executable, `${folder}/${name}${suffix}`)
console.log(`${executable}: ${Math.round(statSync(executable).size / 1e6)} MB, Node.js ${process.versions.node}`)

/** The bundle of all commands. Each is loaded only if it is wanted. */
async function bundle() {
  const own = new URL('executable/package.js', import.meta.url).pathname
  await build({
    entryPoints: ['scripts/executable/main.js'],
    outfile: `${folder}/main.cjs`,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(process.execPath).href" },
    define: {
      'import.meta.url': 'importMetaUrl',
      BLAKE3_PACKAGE: JSON.stringify(addon?.name ?? ''),
      PACKAGE_VERSION: JSON.stringify(version),
    },
    target: 'node20.20',
    plugins: [
      asciiHelp,
      builtMimeTypes,
      {
        name: 'own-package',
        setup({ onResolve }) {
          onResolve({ filter: /\/package\.js$/ }, () => ({ path: own }))
        },
      },
    ],
  })
}

/** The package with the native BLAKE3 that npm has installed for this machine, and its addon. */
function findAddon() {
  const { optionalDependencies = {} } = require('@napi-rs/blake-hash/package.json')
  for (const name of Object.keys(optionalDependencies)) {
    try {
      return { name, path: require.resolve(name) }
    } catch {
      // It is for another machine.
    }
  }
  return null
}

/** True if Node.js makes the executable itself, as it does from 25.5 on. */
function hasBuilder() {
  return /--build-sea/.test(String(node('--help')))
}

/** Puts the program into a copy of Node.js. */
async function inject() {
  node(`--experimental-sea-config=${folder}/sea.json`)
  copyFileSync(process.execPath, executable)
  if (process.platform === 'darwin') execFileSync('codesign', ['--remove-signature', executable])
  const { inject } = require('postject')
  await inject(executable, 'NODE_SEA_BLOB', readFileSync(`${folder}/blob`), {
    sentinelFuse: FUSE,
    ...(process.platform === 'darwin' ? { machoSegmentName: 'NODE_SEA' } : {}),
  })
}

/** @param {string} option */
function node(option) {
  return execFileSync(process.execPath, [option], { stdio: ['ignore', 'pipe', 'pipe'] })
}
