// A library in Java behind the protocol of taxi-mlops: lines of JSON on standard input and output.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

abstract class Program {
    /** The points in radians, eps as an angle. minSamples counts the point itself. */
    record Problem(double[] latitude, double[] longitude, double eps, int minSamples) {
        /** The points on the unit sphere. */
        double[][] chords() {
            double[][] places = new double[latitude.length][];
            for (int i = 0; i < places.length; i++) {
                double across = Math.cos(latitude[i]);
                places[i] = new double[] {
                    across * Math.cos(longitude[i]), across * Math.sin(longitude[i]), Math.sin(latitude[i])
                };
            }
            return places;
        }

        /** The length of the chord of eps. */
        double chord() {
            return 2 * Math.sin(Math.min(eps, Math.PI) / 2);
        }
    }

    /** labels: -1 for noise. core: 1 for a core point, or null if the library does not report them. */
    record Answer(int[] labels, byte[] core) {}

    private int points;

    /** The version that the library itself states. */
    abstract String version();

    /** Convert the points to the form of the library; builds no index. Never called for no points. */
    abstract void prepare(Problem problem);

    /** Cluster the points of the last call of prepare. */
    abstract Answer fit();

    final void serve() throws IOException {
        // What a library prints to standard output would break the protocol.
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String answer;
            try {
                answer = answer(line);
            } catch (Exception | OutOfMemoryError | StackOverflowError error) {
                error.printStackTrace();
                String message = error.toString().replaceAll("[^ !#-\\[\\]-~]", " ");
                answer = "{\"is\": \"error\", \"message\": \"" + message + "\"}";
            }
            answers.println(answer);
        }
    }

    private String answer(String line) throws IOException {
        switch (value(line, "do")) {
            case "hello":
                return "{\"is\": \"hello\", \"protocol\": 1, \"version\": \"" + version() + "\"}";
            case "prepare":
                Problem problem = read(line);
                points = problem.latitude().length;
                if (points > 0) {
                    prepare(problem);
                }
                return "{\"is\": \"ready\"}";
            case "fit":
                Answer answer = points > 0 ? fit() : new Answer(new int[0], null);
                ByteBuffer bytes = ByteBuffer.allocate(4 * answer.labels().length).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asIntBuffer().put(answer.labels());
                Files.write(Path.of(value(line, "labels")), bytes.array());
                if (answer.core() != null) {
                    Files.write(Path.of(value(line, "core")), answer.core());
                }
                return "{\"is\": \"done\", \"core\": " + (answer.core() != null) + "}";
            default:
                throw new IllegalArgumentException("unknown request");
        }
    }

    private static Problem read(String line) throws IOException {
        byte[] bytes = Files.readAllBytes(Path.of(value(line, "points")));
        DoubleBuffer degrees = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer();
        double[] latitude = new double[degrees.limit() / 2];
        double[] longitude = new double[latitude.length];
        for (int i = 0; i < latitude.length; i++) {
            latitude[i] = Math.toRadians(degrees.get(2 * i));
            longitude[i] = Math.toRadians(degrees.get(2 * i + 1));
        }
        double eps = Double.parseDouble(value(line, "eps_metres"));
        double radius = Double.parseDouble(value(line, "earth_radius_metres"));
        return new Problem(latitude, longitude, eps / radius, Integer.parseInt(value(line, "min_samples")));
    }

    /** The value of a key: requests are one flat object with texts and numbers. */
    private static String value(String line, String key) {
        Matcher found = Pattern.compile("\"" + key + "\": (?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^,}]+))").matcher(line);
        if (!found.find()) {
            throw new IllegalArgumentException("no " + key);
        }
        return found.group(1) == null ? found.group(2) : found.group(1).replaceAll("\\\\(.)", "$1");
    }
}
