// Times the linear layers and the products of attention of the ddpm-cifar10 U-Net, forwards and backwards, with oneDNN:
// what the library alone costs. Without softmax, norms, transpositions and biases.
//
//   g++ -O2 attention_floor.cpp -o attention_floor -ldnnl && OMP_NUM_THREADS=1 ./attention_floor 16
//
// Argument: images per batch. Five blocks at 16 x 16 positions and one at 4 x 4, 256 channels, one head.
#include <oneapi/dnnl/dnnl.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

static double fastest(const std::function<void()> &work) {
    double best = 1e9;
    for (int i = 0; i < 7; i++) {
        auto start = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

int main(int argc, char **argv) {
    const int batch = argc > 1 ? atoi(argv[1]) : 16, channels = 256;
    auto filled = [](size_t count) {
        std::vector<float> values(count);
        for (float &value : values) value = (rand() % 2000 - 1000) / 1000.f;
        return values;
    };
    double linear = 0, products = 0;
    for (auto [positions, blocks] : {std::pair{256, 5}, std::pair{16, 1}}) {
        const int rows = batch * positions;
        auto x = filled(size_t(rows) * channels), y = x, w = filled(channels * channels), p = filled(positions * positions);
        auto gemm = [&](char a, char b, int m, int n, int k, float *left, int lda, float *right, int ldb, float *result, int ldc) {
            dnnl_sgemm(a, b, m, n, k, 1, left, lda, right, ldb, 0, result, ldc);
        };
        // y = x w^T, dx = dy w, dw = dy^T x; four layers: query, key, value and output.
        const double one =
            fastest([&] { gemm('N', 'T', rows, channels, channels, x.data(), channels, w.data(), channels, y.data(), channels); })
            + fastest([&] { gemm('N', 'N', rows, channels, channels, x.data(), channels, w.data(), channels, y.data(), channels); })
            + fastest([&] { gemm('T', 'N', channels, channels, rows, x.data(), channels, y.data(), channels, w.data(), channels); });
        linear += blocks * 4 * one;
        // Image by image: q k^T and dy v^T; p v and ds k; p^T dy and ds^T q.
        const int n = positions;
        const double image =
            2 * fastest([&] { gemm('N', 'T', n, n, channels, x.data(), channels, y.data(), channels, p.data(), n); })
            + 2 * fastest([&] { gemm('N', 'N', n, channels, n, p.data(), n, x.data(), channels, y.data(), channels); })
            + 2 * fastest([&] { gemm('T', 'N', n, channels, n, p.data(), n, x.data(), channels, y.data(), channels); });
        products += blocks * batch * image;
    }
    printf("attention of one step, batch %d: %.3f s, linear layers %.3f s, products %.3f s\n", batch, linear + products,
           linear, products);
}
